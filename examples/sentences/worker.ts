// A Worker that finds the sentences nearest to a text: words are rows of a table, a text is the mean of its words, pooled
// here, and its neighbours are those in the same direction. POST a text.
import { FlexemrError, openComponent } from 'flexemr/component';
import rows from './rows.bin';
import text from './sentences.txt';
import list from './words.txt';

const dim = 100;
/** Beyond so many of its words a text is not read. */
const wordsMax = 10_000;
const neighbours = 3;

const words = new Map(list.split('\n').map((word, row) => [word, row]));
const table = openComponent({ memoryBytes: 32_000_000 }).table({
  dtype: 'int8',
  dim,
  rows: new Uint8Array(rows),
});
const sentences = text.trim().split('\n');
const vectors = embed(sentences);

/** Its words, as far as they are known. */
function keysOf(sentence: string): number[] {
  const tokens = sentence.toLowerCase().match(/[a-z]+|[0-9]+/g) ?? [];
  return tokens.slice(0, wordsMax).flatMap((token) => words.get(token) ?? []);
}

/** One vector a text, of length 1; 0 where it has no known word. */
function embed(texts: readonly string[]): Float32Array[] {
  const bags = texts.map(keysOf);
  const offsets = new Uint32Array(bags.length + 1);
  for (const [bag, keys] of bags.entries()) offsets[bag + 1] = offsets[bag] + keys.length;
  const { values } = table.pool({ keys: Uint32Array.from(bags.flat()), offsets }, { mode: 'mean' });
  return bags.map((_, bag) => {
    const vector = values.subarray(bag * dim, (bag + 1) * dim);
    const length = Math.hypot(...vector) || 1;
    return vector.map((value) => value / length);
  });
}

export default {
  async fetch(request: Request): Promise<Response> {
    try {
      const [asked] = embed([await request.text()]);
      const near = sentences.map((sentence, i) => ({
        sentence,
        similarity: vectors[i].reduce((sum, value, column) => sum + value * asked[column], 0),
      }));
      near.sort((a, b) => b.similarity - a.similarity);
      return Response.json(near.slice(0, neighbours));
    } catch (error) {
      if (!(error instanceof FlexemrError)) throw error;
      return Response.json({ error: { code: error.code, message: error.message } }, { status: 400 });
    }
  },
};
