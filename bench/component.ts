// npm run bench -- component: what the component costs over the raw kernel, for the same bags of the same rows, in turns.
import { parseArgs } from 'node:util';
import { openComponent } from '../src/component.ts';
import { writePoolCall } from '../src/kernel/call.ts';
import { instantiateKernels } from '../src/kernel/files.ts';
import * as layout from '../src/kernel/layout.ts';
import { describe, environment } from './environment.ts';

const dim = 64;
const rows = 20_000;
const shapes = [
  { bags: 1, keys: 8, calls: 2_000 },
  { bags: 256, keys: 40, calls: 20 },
] as const;

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { quick: { type: 'boolean', default: false } } });
  const rounds = values.quick ? 5 : 301;
  const table = Float32Array.from({ length: rows * dim }, (_, i) => Math.sin(i));
  console.log(describe(environment()));
  console.log('\nbags × keys   raw µs   component µs   over raw (aims: 3 µs, 10 %)');
  for (const { bags, keys: length, calls } of shapes) {
    const keys = Uint32Array.from({ length: bags * length }, (_, i) => (i * 7_919) % rows);
    const offsets = Uint32Array.from({ length: bags + 1 }, (_, bag) => bag * length);
    const ways = [rawWay(table, keys, offsets), componentWay(table, keys, offsets)];
    const [raw, component] = ways.map((way) => way());
    if (!raw.every((value, i) => Object.is(value, component[i]))) throw new Error('they differ');
    const seen: number[][] = [[], []];
    for (let round = 0; round < rounds; round++)
      for (const [i, way] of ways.entries()) {
        const began = performance.now();
        for (let call = 0; call < calls; call++) way();
        seen[i].push(((performance.now() - began) * 1000) / calls);
      }
    const [rawUs, componentUs] = seen.map(median);
    const over = median(seen[1].map((us, round) => us - seen[0][round]));
    const cells = [rawUs, componentUs].map((us) => us.toFixed(2).padStart(9)).join('      ');
    console.log(
      `${`${bags} × ${length}`.padEnd(12)}${cells}   ${over.toFixed(2)} µs, ${((100 * over) / rawUs).toFixed(0)} %`,
    );
  }
}

/** As an embedder calls it: bags copied in, vectors copied out. */
function rawWay(table: Float32Array, keys: Uint32Array, offsets: Uint32Array): () => Float32Array {
  const memory = new WebAssembly.Memory({ initial: 256 });
  const kernels = instantiateKernels(memory);
  const [words, floats] = [new Uint32Array(memory.buffer), new Float32Array(memory.buffer)];
  let next = 64;
  const take = (bytes: number): number => {
    const at = next;
    next = Math.ceil((at + bytes) / 64) * 64;
    return at;
  };
  const bags = offsets.length - 1;
  const at = {
    ...{ call: take(layout.CALL_BYTES), keys: take(keys.byteLength), offsets: take(offsets.byteLength) },
    ...{ counts: take(bags * 4), fates: take(keys.length), scratch: take(layout.SCRATCH_BYTES) },
    ...{ out: take(bags * dim * 4), table: take(table.byteLength) },
  };
  floats.set(table, at.table / 4);
  return () => {
    words.set(keys, at.keys / 4);
    words.set(offsets, at.offsets / 4);
    writePoolCall(
      words,
      at.call,
      {
        ...{ address: at.table, rows, rowBase: 0, tableRows: rows, rowBytes: dim * 4, dim, dtype: 'f32' },
        ...{ finite: true, defaultRow: 0, last: true },
      },
      {
        ...{ keys: at.keys, keyBytes: 4, keyCount: keys.length, offsets: at.offsets, weights: 0 },
        ...{ out: at.out, counts: at.counts, denominators: 0, fates: at.fates, scratch: at.scratch },
      },
      {
        ...{ mode: 'sum', partial: false, touch: true, padding: undefined, missing: 'error' },
        ...{ begin: 0, end: bags, firstKey: 0 },
      },
    );
    kernels.pool(at.call, 0xffffffff);
    return floats.slice(at.out / 4, at.out / 4 + bags * dim);
  };
}

function componentWay(rowsOf: Float32Array, keys: Uint32Array, offsets: Uint32Array): () => Float32Array {
  const table = openComponent().table({ dtype: 'f32', dim, rows: rowsOf });
  return () => table.pool({ keys, offsets }, { mode: 'sum' }).values;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
