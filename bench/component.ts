// npm run bench -- component: the time of the component, compared with the raw kernel for the same bags and rows.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { openComponent } from '../src/component.ts';
import { writePoolCall } from '../src/kernel/call.ts';
import { instantiateKernels } from '../src/kernel/files.ts';
import * as layout from '../src/kernel/layout.ts';
import { untouchedBytesMax } from '../src/limits.ts';
import { describe, environment } from './environment.ts';
import { median } from './measure.ts';

const dim = 64;
const rows = 20_000;
const shapes = [
  { bags: 1, length: 8, calls: 2_000 },
  { bags: 256, length: 40, calls: 20 },
] as const;
const rounds = 201;
/** Number of processes. Each has its memory at other addresses, which affects the time. */
const processes = 5;

/**
 * Makes glibc keep freed memory. Otherwise the results of both ways are in new pages each time, and their page faults
 * take three times as long as pooling.
 */
const keeping = { MALLOC_TRIM_THRESHOLD_: `${2 ** 30}`, MALLOC_TOP_PAD_: `${2 ** 26}` };

/** µs per call. */
interface Measured {
  readonly raw: number;
  readonly component: number;
  /** Median of the differences in each round. */
  readonly over: number;
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { shape: { type: 'string' } } });
  if (values.shape !== undefined) {
    console.log(JSON.stringify(measure(shapes[Number(values.shape)])));
    return;
  }
  console.log(describe(environment()));
  console.log('\nbags × keys   raw µs   component µs   over raw (aims: 3 µs, 10 %)');
  for (const [i, { bags, length }] of shapes.entries()) {
    const all = Array.from({ length: processes }, () => measureApart(i));
    const [raw, component, over] = (['raw', 'component', 'over'] as const).map((what) =>
      median(all.map((measured) => measured[what])),
    );
    const cells = [raw, component].map((us) => us.toFixed(2).padStart(9)).join('      ');
    const share = `${((100 * over) / raw).toFixed(0)} %`;
    console.log(`${`${bags} × ${length}`.padEnd(12)}${cells}   ${over.toFixed(2)} µs, ${share}`);
  }
}

function measureApart(shape: number): Measured {
  const args = [...process.execArgv, process.argv[1], 'component', '--shape', String(shape)];
  return JSON.parse(
    execFileSync(process.execPath, args, { env: { ...process.env, ...keeping }, encoding: 'utf8' }),
  );
}

function measure({ bags, length, calls }: (typeof shapes)[number]): Measured {
  const table = Float32Array.from({ length: rows * dim }, (_, i) => Math.sin(i));
  const keys = Uint32Array.from({ length: bags * length }, (_, i) => (i * 7_919) % rows);
  const offsets = Uint32Array.from({ length: bags + 1 }, (_, bag) => bag * length);
  const ways = [rawWay(table, keys, offsets), componentWay(table, keys, offsets)];
  const [vectors, same] = ways.map((way) => way());
  if (!vectors.every((value, i) => Object.is(value, same[i])))
    throw new Error('the results of the raw kernel and the component differ');
  const seen: number[][] = [[], []];
  for (let round = 0; round < rounds; round++)
    for (const [i, way] of ways.entries()) {
      const began = performance.now();
      for (let call = 0; call < calls; call++) way();
      seen[i].push(((performance.now() - began) * 1000) / calls);
    }
  const [raw, component] = seen.map(median);
  return { raw, component, over: median(seen[1].map((us, round) => us - seen[0][round])) };
}

/** Calls the kernel directly, as an embedder does: copies bags in and vectors out. */
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
  const touch = table.byteLength > untouchedBytesMax;
  const at = {
    ...{ call: take(layout.CALL_BYTES), keys: take(keys.byteLength), offsets: take(offsets.byteLength) },
    ...{ counts: take(bags * 4), outcomes: take(keys.length), scratch: take(layout.SCRATCH_BYTES) },
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
        ...{ out: at.out, counts: at.counts, denominators: 0, outcomes: at.outcomes, scratch: at.scratch },
      },
      {
        ...{ mode: 'sum', partial: false, touch, padding: undefined, missing: 'error' },
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
