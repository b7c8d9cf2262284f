import * as v from 'valibot';
import { FlexemrError } from '../errors.ts';
import { rowBytes } from '../kernel/dtype.ts';
import { cacheBytesMax, cacheBytesMin } from '../limits.ts';
import type { TableSpec } from '../plan/table-spec.ts';

/** Memory for a cache: bytes, `256MiB` or `2GiB`; `10%` of the bytes of all rows; or `off`. */
export type CacheSize = number | string;

const units: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const text = /^(?<amount>\d+(?:\.\d+)?)(?<unit>%|KiB|MiB|GiB|)$/;

/** Bytes of a text such as `256MiB`, or of a number. @returns undefined if it is neither */
export function bytesOfText(size: unknown): number | undefined {
  if (typeof size === 'number') return Number.isInteger(size) && size >= 0 ? size : undefined;
  if (typeof size !== 'string') return undefined;
  const { amount, unit } = text.exec(size)?.groups ?? {};
  return unit === undefined || unit === '%' ? undefined : Math.floor(Number(amount) * units[unit]);
}

const fits = (bytes: number): boolean => bytes >= cacheBytesMin && bytes <= cacheBytesMax;

/** @returns undefined if it is not the size of a cache */
function parsed(size: CacheSize): { readonly bytes: number } | { readonly share: number } | undefined {
  if (size === 'off' || size === 0) return { bytes: 0 };
  const { amount, unit } = text.exec(String(size))?.groups ?? {};
  if (unit === '%')
    return Number(amount) > 0 && Number(amount) <= 100 ? { share: Number(amount) / 100 } : undefined;
  const bytes = bytesOfText(size);
  return bytes !== undefined && fits(bytes) ? { bytes } : undefined;
}

/** What the size of a cache must be. */
export const cacheSizeText: string = `off, bytes such as 256MiB (from ${cacheBytesMin} to ${cacheBytesMax}), or a share of the rows such as 10%`;

/** @internal */
export const cacheSize: v.CustomSchema<CacheSize, v.ErrorMessage<v.CustomIssue> | undefined> =
  v.custom<CacheSize>(
    (size) => (typeof size === 'number' || typeof size === 'string') && parsed(size) !== undefined,
    cacheSizeText,
  );

/** Whether a text is the size of a cache. */
export function isCacheSize(size: string): boolean {
  return parsed(size) !== undefined;
}

/** The bytes of a cache for these tables. A share of the rows is at least cacheBytesMin and at most cacheBytesMax. */
export function cacheBytes(size: CacheSize, specs: readonly TableSpec[]): number {
  const checked = parsed(size);
  if (checked === undefined)
    throw new FlexemrError('INVALID_OPTION', `cache must be ${cacheSizeText}`, {
      field: 'cache',
      value: size,
    });
  if ('bytes' in checked) return checked.bytes;
  const all = specs.reduce((sum, { rows, dim, dtype }) => sum + rows * rowBytes(dtype ?? 'f32', dim), 0);
  return Math.round(Math.min(cacheBytesMax, Math.max(cacheBytesMin, checked.share * all)));
}
