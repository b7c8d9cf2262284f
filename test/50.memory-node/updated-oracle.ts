// What the rows of a shard are after all batches of a log, in plain TypeScript: rows by key, as bytes in the dtype of the table.
import type { DType } from '../../src/kernel/dtype.ts';
import { rowBytes } from '../../src/kernel/dtype.ts';
import { halfToNumber } from '../../src/kernel/reference.ts';
import type { Batch } from '../../src/updates/batch.ts';

const { fround } = Math;

function toHalf(value: number): number {
  const view = new DataView(new ArrayBuffer(2));
  view.setFloat16(0, value);
  return view.getUint16(0);
}

/** Rounds to the nearest whole number, and halves to the even one. */
function nearest(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** One row of f32 in the dtype of a table. Undefined: it has numbers that are not finite in this dtype. */
export function encoded(row: Float32Array, dtype: DType): Uint8Array | undefined {
  if (row.some((value) => !Number.isFinite(value))) return undefined;
  const dim = row.length;
  const view = new DataView(new ArrayBuffer(rowBytes(dtype, dim)));
  const [low, high] = [Math.min(...row), Math.max(...row)];
  if (dtype === 'f32') for (const [i, value] of row.entries()) view.setFloat32(i * 4, value, true);
  if (dtype === 'f16') {
    for (const [i, value] of row.entries()) view.setUint16(i * 2, toHalf(value), true);
    if (row.some((value) => !Number.isFinite(halfToNumber(toHalf(value))))) return undefined;
  }
  if (dtype === 'int8') {
    const range = fround(high - low);
    if (!Number.isFinite(range)) return undefined;
    const inverse = fround(255 / fround(range + fround(1e-8)));
    for (const [i, value] of row.entries()) view.setUint8(i, nearest(fround(fround(value - low) * inverse)));
    view.setFloat32(dim, fround(range / 255), true);
    view.setFloat32(dim + 4, low, true);
    if (!Number.isFinite(fround(fround(255 * fround(range / 255)) + low))) return undefined;
  }
  if (dtype === 'int4') {
    const bias = halfToNumber(toHalf(low));
    const range = fround(high - bias);
    let scale = toHalf(range === 0 ? 1 : fround(range / 15));
    if (!Number.isFinite(bias) || !Number.isFinite(halfToNumber(scale))) return undefined;
    if (halfToNumber(scale) === 0) scale = toHalf(1);
    const inverse = fround(1 / halfToNumber(scale));
    for (const [i, value] of row.entries()) {
      const q = Math.min(15, Math.max(0, nearest(fround(fround(value - bias) * inverse))));
      view.setUint8(i >> 1, view.getUint8(i >> 1) | (q << (i % 2 ? 4 : 0)));
    }
    const tail = Math.ceil(dim / 2);
    view.setUint16(tail, scale, true);
    view.setUint16(tail + 2, toHalf(low), true);
  }
  return new Uint8Array(view.buffer);
}

export class UpdatedOracle {
  readonly rows = new Map<bigint, Uint8Array>();
  readonly #dtype: DType;
  readonly #dim: number;
  readonly #indexed: boolean;
  /** Rows of the shard, those that no id has yet among them. */
  readonly #capacity: number;
  /** Its row is never read, and nobody can write it. */
  readonly #padding: bigint | undefined;
  written = 0;
  refused = 0;

  constructor(
    { dtype, dim, indexed }: { dtype: DType; dim: number; indexed: boolean },
    rows: readonly (readonly [key: bigint, row: Float32Array])[],
    spare: number,
    padding?: bigint,
  ) {
    this.#padding = padding;
    [this.#dtype, this.#dim, this.#indexed] = [dtype, dim, indexed];
    this.#capacity = rows.length + spare;
    for (const [key, row] of rows) this.rows.set(key, encoded(row, dtype) as Uint8Array);
  }

  apply(batch: Batch): void {
    if (this.#write(batch)) this.written++;
    else this.refused++;
  }

  #write({ keys, rows, deletes, dim }: Batch): boolean {
    const all = new Set([...keys, ...deletes]);
    if (all.size < keys.length + deletes.length) return false;
    if (keys.length > 0 && dim !== this.#dim) return false;
    if (!this.#indexed && (deletes.length > 0 || [...keys].some((key) => !this.rows.has(key)))) return false;
    const after = new Set([...this.rows.keys(), ...keys]);
    for (const key of deletes) after.delete(key);
    if (this.#padding !== undefined) after.delete(this.#padding);
    if (after.size > this.#capacity) return false;
    const made = Array.from(keys, (_, i) => encoded(rows.subarray(i * dim, (i + 1) * dim), this.#dtype));
    if (made.includes(undefined)) return false;
    for (const [i, key] of keys.entries())
      if (key !== this.#padding) this.rows.set(key, made[i] as Uint8Array);
    for (const key of deletes) this.rows.delete(key);
    return true;
  }
}
