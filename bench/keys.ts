// Batches of u64 keys. They are used in turn, so that caches do not contain the data of the next batch.
import type { Arena } from './arena.ts';
import { BATCH_KEYS, KEY_SETS } from './batch.ts';

export const KEY_SET_BYTES: number = BATCH_KEYS * 8;

/** Returns the addresses of the `KEY_SETS` sets at `keys`, one per call, again and again. */
export function inTurn(keys: number): () => number {
  let turn = 0;
  return () => keys + (turn++ % KEY_SETS) * KEY_SET_BYTES;
}

/** @returns the place where two results of `count` words differ; undefined if they are equal */
export function difference(
  arena: Arena,
  addresses: number[],
  count: number,
  what: string,
): string | undefined {
  const [ours, bars] = addresses.map((address) => arena.u32.subarray(address / 4, address / 4 + count));
  const at = ours.findIndex((word, i) => word !== bars[i]);
  return at < 0 ? undefined : `${what} ${at} is ${ours[at]} here, ${bars[at]} there`;
}
