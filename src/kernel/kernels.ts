/**
 * The kernels, seen from TypeScript: each takes the address of a call block (layout.ts) in the memory they
 * were instantiated over, and returns a status. Nothing is copied, nothing is allocated.
 */
export interface Kernels {
  /** Pools bags. @returns DONE, MORE, BAD_KEY or BAD_OFFSETS */
  pool(call: number, budget: number): number;
  /** Writes one row a key. @returns DONE, MORE, BAD_KEY or BAD_OFFSETS */
  gather(call: number, budget: number): number;
  /** Merges partials in shard order and divides. */
  merge(call: number): void;
}
