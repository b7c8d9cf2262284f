// Pooling problems as plain data. They can be read from an image in memory, and written as an image (image.ts).

import { type MissingPolicy, writeMergeCall, writePoolCall } from '../../src/kernel/call.ts';
import { type DType, dtypeCodes, rowBytes } from '../../src/kernel/dtype.ts';
import * as layout from '../../src/kernel/layout.ts';
import { modeCodes, type PoolingMode } from '../../src/kernel/pooling-mode.ts';
import * as image from './image.ts';

export interface Problem {
  readonly dtype: DType;
  readonly mode: PoolingMode;
  readonly dim: number;
  readonly rows: number;
  /** The stored bytes of the rows. */
  readonly table: Uint8Array;
  readonly defaultRow: Uint8Array;
  readonly keys: Uint32Array | BigUint64Array;
  readonly offsets: Uint32Array;
  readonly weights: Float32Array | undefined;
  readonly padding: number | undefined;
  readonly missing: MissingPolicy;
  /** The rows at which the table is cut into shards. */
  readonly cuts: readonly number[];
}

const missingPolicies: readonly MissingPolicy[] = ['error', 'skip', 'default'];

function nameOf<T extends string>(codes: Record<T, number>, code: number): T {
  return (Object.keys(codes) as T[]).find((name) => codes[name] === code) as T;
}

/** Copies the current problem from memory. */
export function readProblem(memory: ArrayBuffer): Problem {
  const words = new Uint32Array(memory);
  const at = (field: number): number => words[(image.IMAGE + field) >>> 2];
  const block = at(image.IMAGE_POOL_BLOCKS);
  const of = (field: number, shard = 0): number => words[(block + shard * layout.CALL_BYTES + field) >>> 2];
  const bytes = (address: number, length: number): Uint8Array =>
    new Uint8Array(memory, address, length).slice();
  const [rows, stride, keyCount] = [layout.CALL_TABLE_ROWS, layout.CALL_ROW_BYTES, layout.CALL_KEY_COUNT].map(
    (field) => of(field),
  );
  const keys = bytes(of(layout.CALL_KEYS), keyCount * of(layout.CALL_KEY_BYTES)).buffer;
  const weights = of(layout.CALL_WEIGHTS);
  const padding = of(layout.CALL_PADDING);
  const cuts = Array.from({ length: at(image.IMAGE_POOLS) - 1 }, (_, i) => of(layout.CALL_ROW_BASE, i + 1));
  return {
    dtype: nameOf(dtypeCodes, of(layout.CALL_DTYPE)),
    mode: nameOf(modeCodes, of(layout.CALL_MODE)),
    dim: of(layout.CALL_DIM),
    rows,
    table: bytes(of(layout.CALL_TABLE), rows * stride),
    defaultRow: bytes(of(layout.CALL_DEFAULT_ROW), stride),
    keys: of(layout.CALL_KEY_BYTES) === 4 ? new Uint32Array(keys) : new BigUint64Array(keys),
    offsets: new Uint32Array(bytes(of(layout.CALL_OFFSETS), (of(layout.CALL_BAG_END) + 1) * 4).buffer),
    weights: weights === 0 ? undefined : new Float32Array(bytes(weights, keyCount * 4).buffer),
    padding: padding === layout.NONE ? undefined : padding,
    missing: missingPolicies[of(layout.CALL_MISSING)],
    cuts,
  };
}

/** The results of a problem. */
export interface Outcome {
  /** The status of the kernels. */
  readonly status: number;
  readonly pooled: Uint32Array;
  readonly counts: Uint32Array;
  readonly outcomes: Uint8Array;
}

/** Writes an outcome to the same addresses as the kernels. */
export function writeOutcome(memory: ArrayBuffer, { pooled, counts, outcomes }: Outcome): void {
  const words = new Uint32Array(memory);
  for (const [i, output] of [pooled, counts, outcomes].entries()) {
    const [address, length] = words.subarray((image.IMAGE + image.IMAGE_OUTPUTS) / 4 + 2 * i);
    new Uint8Array(memory, address, length).set(
      new Uint8Array(output.buffer, output.byteOffset, output.byteLength),
    );
  }
}

/** The image of a problem, to be copied to IMAGE. @param finite whether every value of its rows is finite */
export function imageOf(problem: Problem, finite: boolean): Uint8Array {
  const { dtype, mode, dim, rows, table, keys, offsets, weights, missing } = problem;
  const bags = offsets.length - 1;
  const cuts = [0, ...problem.cuts, rows];
  const shards = cuts.length - 1;
  const stride = rowBytes(dtype, dim);
  const pieces: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  let next = image.IMAGE + image.IMAGE_HEADER_BYTES;
  const put = (view: Uint8Array | Uint32Array | Float32Array | BigUint64Array): number => {
    const at = next;
    pieces.push({ at, bytes: new Uint8Array(view.buffer, view.byteOffset, view.byteLength) });
    next = Math.ceil((at + view.byteLength) / 64) * 64;
    return at;
  };
  const room = (bytes: number): number => put(new Uint8Array(bytes));
  const address = put(table);
  const defaultRow = put(problem.defaultRow);
  const input = {
    keys: put(keys),
    keyBytes: keys instanceof Uint32Array ? 4 : 8,
    keyCount: keys.length,
    offsets: put(offsets),
    weights: weights ? put(weights) : 0,
    outcomes: room(keys.length),
    scratch: room(layout.SCRATCH_BYTES),
  } as const;
  const results = (): { readonly out: number; readonly counts: number; readonly denominators: number } => ({
    out: room(bags * dim * 4),
    counts: room(bags * 4),
    denominators: room(bags * 4),
  });
  const whole = results();
  const partials = cuts.slice(1).map(() => (shards > 1 ? results() : whole));
  const blocks = new Uint32Array((shards * layout.CALL_BYTES) / 4);
  const merges = new Uint32Array((shards * layout.MERGE_BYTES) / 4);
  const blocksAt = put(blocks);
  const mergesAt = put(merges);
  for (const [shard, partial] of partials.entries()) {
    const [begin, end] = cuts.slice(shard);
    const shardRows = {
      ...{ address: address + begin * stride, rows: end - begin, rowBase: begin, tableRows: rows },
      ...{ rowBytes: stride, dim, dtype, finite, defaultRow, last: shard === shards - 1 },
    };
    writePoolCall(
      blocks,
      shard * layout.CALL_BYTES,
      shardRows,
      { ...input, ...partial },
      {
        ...{ mode, partial: shards > 1, touch: false, padding: problem.padding, missing },
        ...{ begin: 0, end: bags, firstKey: 0 },
      },
    );
    writeMergeCall(
      merges,
      shard * layout.MERGE_BYTES,
      { bags, dim, mode },
      {
        partials: partial.out,
        counts: partial.counts,
        denominators: weights ? partial.denominators : 0,
        bagNumbers: 0,
        out: whole.out,
        outCounts: whole.counts,
        outDenominators: weights ? whole.denominators : 0,
      },
    );
  }
  const bytes = new Uint8Array(next - image.IMAGE);
  for (const piece of pieces) bytes.set(piece.bytes, piece.at - image.IMAGE);
  const header = new Uint32Array(bytes.buffer);
  header[image.IMAGE_BYTES / 4] = bytes.length;
  header[image.IMAGE_POOLS / 4] = shards;
  header[image.IMAGE_POOL_BLOCKS / 4] = blocksAt;
  header[image.IMAGE_BUDGET / 4] = layout.NONE;
  header[image.IMAGE_MERGES / 4] = shards > 1 ? shards : 0;
  header[image.IMAGE_MERGE_BLOCKS / 4] = mergesAt;
  const outputs = [whole.out, bags * dim * 4, whole.counts, bags * 4, input.outcomes, keys.length];
  header.set(outputs, image.IMAGE_OUTPUTS / 4);
  return bytes;
}
