import { createRequire } from 'node:module';
import type { Arena } from './arena.ts';
import { buildBars, compilerVersion } from './native/build.ts';

/**
 * Prefetch distance in rows. 4 … 48 were tried: 24 is the best or within noise of the best, at every dim, dtype and
 * table size of the benchmarks.
 */
export const T0_DISTANCE = 24;

/** A native object. It exists as long as it is referenced. */
export type Handle = { readonly handle: unique symbol };

/** The native add-on (native/bars.cc). Addresses are byte offsets into the attached memory. */
export interface Bars {
  readonly isa: 'AVX-512' | 'AVX2';
  attach(memory: Uint8Array): void;
  /** Pools a whole call block with intrinsics and prefetcht0, `distance` rows ahead. Throws if it has no kernel. */
  poolT0(call: number, distance: number): void;
  /** The same for `count` call blocks, whose addresses are u32 at `calls`. */
  poolAllT0(calls: number, count: number, distance: number): void;
  /** The same with prefetcht1 (f32 sums). */
  poolT1(call: number, distance: number): void;
  /** The same without prefetch (f32 sums). */
  poolUnprefetched(call: number, distance: number): void;
  /** Plain loops (f32 sums). */
  poolPlain(call: number): void;
  indexCreate(capacity: number): Handle;
  indexInsert(index: Handle, keys: number, slots: number, n: number): void;
  indexFind(index: Handle, keys: number, slots: number, n: number): void;
  /** The same, but prefetches a fixed distance ahead instead of chunk by chunk. */
  indexFindRolling(index: Handle, keys: number, slots: number, n: number): void;
  dedupeCreate(capacity: number): Handle;
  /** @returns the number of unique keys */
  dedupe(dedupe: Handle, keys: number, n: number, unique: number, inverse: number): number;
  /** Writes the places of the entries of a lookup's bags in the log of its cache, u32 (native/cache.h). */
  cacheFind(block: number, places: number): void;
  /** Does the stage ASK_PROBE of a lookup. */
  cacheProbe(block: number): void;
}

/** The bars and their compiler, or the reason why there are no bars. */
export type Native =
  | { readonly bars: Bars; readonly compiler: string }
  | { readonly bars: undefined; readonly absent: string };

/** Builds and loads the bars, and attaches them to a memory. */
export function loadBars({ u8 }: Pick<Arena, 'u8'>): Native {
  const compiler = compilerVersion();
  if (compiler === undefined) return { bars: undefined, absent: 'there is no g++ here' };
  const path = buildBars(compiler);
  if (path === undefined) return { bars: undefined, absent: 'g++ cannot build them for this processor' };
  const bars = createRequire(import.meta.url)(path) as Bars;
  bars.attach(u8);
  return { bars, compiler };
}
