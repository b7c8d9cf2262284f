// One pooling case, made from a seed. It can be run by a kernel between poisoned bytes, and by the reference.
import type { MissingPolicy } from '../../src/kernel/call.ts';
import { writeMergeCall, writePoolCall } from '../../src/kernel/call.ts';
import type { DType } from '../../src/kernel/dtype.ts';
import { rowBytes } from '../../src/kernel/dtype.ts';
import type { Kernels } from '../../src/kernel/kernels.ts';
import * as layout from '../../src/kernel/layout.ts';
import type { PoolingMode } from '../../src/kernel/pooling-mode.ts';
import type { Partial } from '../../src/kernel/reference.ts';
import { decodeRow, foldSegment, mergePartials } from '../../src/kernel/reference.ts';
import { PoisonedMemory } from './poisoned.ts';

export interface PoolCase {
  readonly seed: number;
  readonly dtype: DType;
  readonly mode: PoolingMode;
  readonly weighted: boolean;
  readonly dim: number;
  readonly rows: number;
  /** Bag sizes. */
  readonly lengths: readonly number[];
  /** The kind of values in the rows: `special` adds NaN, ±Inf, −0 and subnormals. */
  readonly values: 'plain' | 'special' | 'zeros';
  readonly keyBytes: 4 | 8;
  readonly missing: MissingPolicy;
  readonly padded: boolean;
  readonly outOfRange: boolean;
  readonly touch: boolean;
  /** The number of keys that a kernel call may process before it returns MORE. */
  readonly budget: number;
  /** The rows at which the table is split into shards. */
  readonly cuts: readonly number[];
}

/** The results of a run as bits. */
export interface PoolOutcome {
  readonly status: number;
  readonly pooled: Uint32Array;
  readonly counts: Uint32Array;
  readonly outcomes: Uint8Array;
  readonly strayWrites: readonly number[];
}

export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}

const specialF32 = new Float32Array([
  Number.NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  1e-45,
  -1e-40,
  3.4e38,
  -3.4e38,
  1,
]);
const specialF16 = [0x7e00, 0xfe01, 0x7c00, 0xfc00, 0x8000, 0, 1, 0x83ff, 0x7bff, 0xfbff];

/** The rows and bags of a case, all drawn from its seed. */
export class PoolInput {
  readonly rows: Uint8Array;
  readonly finite: boolean;
  readonly keys: Float64Array;
  readonly offsets: Uint32Array;
  readonly weights: Float32Array | undefined;
  readonly defaultRow: Uint8Array;
  readonly padding: number | undefined;

  readonly of: PoolCase;

  constructor(of: PoolCase) {
    this.of = of;
    const random = randomOf(of.seed);
    const bytes = rowBytes(of.dtype, of.dim);
    const all = new Uint8Array((of.rows + 1) * bytes);
    for (let row = 0; row <= of.rows; row++)
      fillRow(all.subarray(row * bytes, (row + 1) * bytes), of, random);
    this.rows = all.subarray(0, of.rows * bytes);
    this.defaultRow = all.slice(of.rows * bytes);
    this.finite = Array.from({ length: of.rows + 1 }, (_, row) =>
      decodeRow(all, of.dtype, of.dim, row),
    ).every((row) => row.every(Number.isFinite));
    this.offsets = new Uint32Array(of.lengths.length + 1);
    of.lengths.forEach((length, bag) => {
      this.offsets[bag + 1] = this.offsets[bag] + length;
    });
    const keyCount = this.offsets[of.lengths.length];
    this.padding = of.padded ? Math.floor(random() * of.rows) : undefined;
    this.keys = Float64Array.from({ length: keyCount }, () => this.#key(random));
    const special = of.values === 'special' ? 0.05 : 0;
    this.weights = of.weighted
      ? Float32Array.from({ length: keyCount }, () =>
          random() < special
            ? specialF32[Math.floor(random() * specialF32.length)]
            : Math.floor(random() * 9) / 4 - 0.5,
        )
      : undefined;
  }

  #key(random: () => number): number {
    if (this.padding !== undefined && random() < 0.2) return this.padding;
    if (this.of.outOfRange && random() < 0.1) {
      const past = [this.of.rows, this.of.rows + 1, 2 ** 32 - 1, 2 ** 31];
      if (this.of.keyBytes === 8) past.push(2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, 2 ** 63);
      return past[Math.floor(random() * past.length)];
    }
    return Math.floor(random() * this.of.rows);
  }

  keyBits(): Uint32Array | BigUint64Array {
    return this.of.keyBytes === 4 ? Uint32Array.from(this.keys) : BigUint64Array.from(this.keys, BigInt);
  }
}

function fillRow(row: Uint8Array, { dtype, dim, values }: PoolCase, random: () => number): void {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const special = values === 'special' && random() < 0.3;
  const f32 = (): number => {
    if (special && random() < 0.3) return specialF32[Math.floor(random() * specialF32.length)];
    if (values === 'zeros') return random() < 0.5 ? -0 : random() < 0.5 ? 0 : -random();
    return (random() - 0.5) * 2 ** Math.floor(random() * 20 - 10);
  };
  const f16 = (): number => {
    if (special && random() < 0.3) return specialF16[Math.floor(random() * specialF16.length)];
    if (values === 'zeros') return random() < 0.5 ? 0x8000 : random() < 0.5 ? 0 : 0x8001;
    const bits = Math.floor(random() * 65536);
    return (bits & 0x7c00) === 0x7c00 ? bits & 0x83ff : bits;
  };
  if (dtype === 'f32') for (let i = 0; i < dim; i++) view.setFloat32(i * 4, f32(), true);
  else if (dtype === 'f16') for (let i = 0; i < dim; i++) view.setUint16(i * 2, f16(), true);
  else {
    for (let i = 0; i < row.length; i++) row[i] = Math.floor(random() * 256);
    const tail = dtype === 'int8' ? dim : Math.ceil(dim / 2);
    if (dtype === 'int8') for (let i = 0; i < 8; i += 4) view.setFloat32(tail + i, f32(), true);
    else for (let i = 0; i < 4; i += 2) view.setUint16(tail + i, f16(), true);
  }
}

/** Runs the case on kernels in a fresh memory. If there are several shards, pools partials and merges them. */
export function runKernel(
  input: PoolInput,
  load: (memory: WebAssembly.Memory) => Kernels,
  shared: boolean,
): PoolOutcome {
  const { of } = input;
  const bags = of.lengths.length;
  const bounds = [0, ...of.cuts, of.rows];
  const shards = bounds.length - 1;
  const outBytes = bags * of.dim * 4;
  const needed = input.rows.length + input.keys.length * 24 + (outBytes + bags * 16) * (shards + 4) + 65536;
  const poisoned = new PoisonedMemory(Math.ceil(needed / 65536) + 1, shared, of.seed);
  const kernels = load(poisoned.memory);
  const bytes = rowBytes(of.dtype, of.dim);
  const rowAlign = of.dtype === 'f32' ? 4 : 1;
  const tables = bounds
    .slice(1)
    .map((end, shard) => poisoned.put(input.rows.subarray(bounds[shard] * bytes, end * bytes), rowAlign));
  const buffers = {
    keys: poisoned.put(input.keyBits(), of.keyBytes),
    keyBytes: of.keyBytes,
    keyCount: input.keys.length,
    offsets: poisoned.put(input.offsets, 4),
    weights: input.weights ? poisoned.put(input.weights, 4) : 0,
    outcomes: poisoned.place(input.keys.length, 1, true),
    scratch: poisoned.place(layout.SCRATCH_BYTES, 16, true),
  };
  const defaultRow = poisoned.put(input.defaultRow, rowAlign);
  const out = poisoned.place(outBytes * shards, 4, true);
  const counts = poisoned.place(bags * 4 * shards, 4, true);
  const denominators = poisoned.place(bags * 4 * shards, 4, true);
  const call = poisoned.place(layout.CALL_BYTES, 4, true);
  const merged = poisoned.place(outBytes, 4, true);
  const mergedCounts = poisoned.place(bags * 4, 4, true);
  const mergedDenominators = poisoned.place(bags * 4, 4, true);
  const bagNumbers = poisoned.put(
    Uint32Array.from({ length: bags }, (_, bag) => bag),
    4,
  );
  poisoned.bytes.fill(0, mergedCounts, mergedCounts + bags * 4);
  poisoned.bytes.fill(0, buffers.outcomes, buffers.outcomes + input.keys.length);
  poisoned.seal();
  let status: number = layout.DONE;
  for (let shard = 0; shard < shards && status === layout.DONE; shard++) {
    writePoolCall(
      poisoned.words,
      call,
      {
        address: tables[shard],
        rows: bounds[shard + 1] - bounds[shard],
        rowBase: bounds[shard],
        tableRows: of.rows,
        rowBytes: bytes,
        dim: of.dim,
        dtype: of.dtype,
        finite: input.finite,
        defaultRow,
        last: shard === shards - 1,
      },
      {
        ...buffers,
        out: out + outBytes * shard,
        counts: counts + bags * 4 * shard,
        denominators: denominators + bags * 4 * shard,
      },
      {
        mode: of.mode,
        partial: shards > 1,
        touch: of.touch,
        padding: input.padding,
        missing: of.missing,
        begin: 0,
        end: bags,
        firstKey: 0,
      },
    );
    do status = kernels.pool(call, of.budget);
    while (status === layout.MORE);
  }
  if (shards > 1 && status === layout.DONE) {
    for (let shard = 0; shard <= shards; shard++) {
      const buffers = {
        partials: out + outBytes * shard,
        counts: counts + bags * 4 * shard,
        denominators: input.weights ? denominators + bags * 4 * shard : 0,
        bagNumbers: of.seed % 2 ? bagNumbers : 0,
        out: merged,
        outCounts: mergedCounts,
        outDenominators: input.weights ? mergedDenominators : 0,
      };
      writeMergeCall(poisoned.words, call, { bags, dim: of.dim, mode: of.mode }, buffers);
      if (shard < shards) kernels.merge(call);
      else kernels.divide(call);
    }
  }
  const from = (address: number, length: number): Uint32Array =>
    new Uint32Array(poisoned.memory.buffer, address, length).slice();
  return {
    status,
    pooled: from(shards > 1 ? merged : out, bags * of.dim),
    counts: from(shards > 1 ? mergedCounts : counts, bags),
    outcomes: poisoned.bytes.slice(buffers.outcomes, buffers.outcomes + input.keys.length),
    strayWrites: poisoned.strayWrites(),
  };
}

/** Runs the same case with the reference. */
export function runReference(input: PoolInput): Omit<PoolOutcome, 'strayWrites'> {
  const { of } = input;
  const bags = of.lengths.length;
  const pooled = new Float32Array(bags * of.dim);
  const counts = new Uint32Array(bags);
  const outcomes = new Uint8Array(input.keys.length);
  const bounds = [...of.cuts, of.rows];
  const empty = { status: layout.DONE, pooled: new Uint32Array(pooled.buffer), counts, outcomes };
  for (let bag = 0; bag < bags; bag++) {
    const segments = bounds.map(() => ({ rows: [] as Float32Array[], weights: [] as number[] }));
    for (let i = input.offsets[bag]; i < input.offsets[bag + 1]; i++) {
      const key = input.keys[i];
      if (key === input.padding) {
        outcomes[i] = layout.OUTCOME_PADDED;
        continue;
      }
      const missing = key >= of.rows;
      if (missing && (of.missing === 'error' || key >= 2 ** 32)) return { ...empty, status: layout.BAD_KEY };
      if (missing) outcomes[i] = of.missing === 'skip' ? layout.OUTCOME_MISSING : layout.OUTCOME_DEFAULTED;
      if (missing && of.missing === 'skip') continue;
      const segment = segments[missing ? segments.length - 1 : bounds.findIndex((end) => key < end)];
      segment.rows.push(
        missing
          ? decodeRow(input.defaultRow, of.dtype, of.dim, 0)
          : decodeRow(input.rows, of.dtype, of.dim, key),
      );
      if (input.weights) segment.weights.push(input.weights[i]);
    }
    const partials: Partial[] = segments.map(({ rows, weights }) =>
      foldSegment(of.mode, of.dim, rows, input.weights && Float32Array.from(weights)),
    );
    pooled.set(mergePartials(of.mode, of.dim, partials, input.weights !== undefined), bag * of.dim);
    counts[bag] = partials.reduce((sum, partial) => sum + partial.count, 0);
  }
  return empty;
}
