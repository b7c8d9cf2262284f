// The key index: finds batches of u64 keys. Ours is compared with native code and with a JavaScript map.
import { NONE } from '../src/kernel/layout.ts';
import type { Arena } from './arena.ts';
import { BATCH_KEYS, KEY_SETS } from './batch.ts';
import type { Bench, Contest } from './bench.ts';
import { randomWords, writeSparseKey } from './data.ts';
import { difference, inTurn, KEY_SET_BYTES } from './keys.ts';
import { repeated } from './measure.ts';
import { createIndex } from './ours.ts';

const HIT_SHARE = 0.9;

export type IndexBar = 'C++' | 'C++ rolling' | 'Map<bigint>';

/** Writes the slot of each key, or NONE if the key is not in the index. */
type Find = (keys: number, slots: number, n: number) => void;
type Insert = Find;

export function indexContest(bench: Bench, capacity: number, against: IndexBar): Contest {
  const { arena, sampleMs } = bench;
  const probes = writeProbes(arena, capacity);
  const ours = ourIndex(bench, capacity);
  const bar = against === 'Map<bigint>' ? mapIndex(arena, capacity) : nativeIndex(bench, capacity, against);
  const slots = [0, 0].map(() => arena.allocate(BATCH_KEYS * 4));
  const side = (find: Find, to: number) => {
    const next = inTurn(probes);
    return repeated(() => find(next(), to, BATCH_KEYS), BATCH_KEYS, sampleMs);
  };
  if (!bar) return { ours: side(ours, slots[0]), bar: undefined, remark: 'no native bars' };
  return {
    ours: side(ours, slots[0]),
    bar: side(bar, slots[1]),
    check() {
      ours(probes, slots[0], BATCH_KEYS);
      bar(probes, slots[1], BATCH_KEYS);
      return difference(arena, slots, BATCH_KEYS, 'slot');
    },
  };
}

/** Writes the sets of keys to find. HIT_SHARE of them are in the index. */
function writeProbes(arena: Arena, capacity: number): number {
  const keys = arena.allocate(KEY_SETS * KEY_SET_BYTES);
  const next = randomWords(5);
  for (let i = 0; i < KEY_SETS * BATCH_KEYS; i++) {
    const id = Math.floor((next() / 2 ** 32) * capacity);
    writeSparseKey(arena.u32, keys / 4 + i * 2, next() / 2 ** 32 < HIT_SHARE ? id : capacity + id);
  }
  return keys;
}

/** Inserts the ids number 0 … capacity − 1, one batch at a time. The slot of an id is its number. */
function insertAll(arena: Arena, capacity: number, insert: Insert): void {
  const mark = arena.mark();
  const keys = arena.allocate(KEY_SET_BYTES);
  const slots = arena.allocate(BATCH_KEYS * 4);
  for (let start = 0; start < capacity; start += BATCH_KEYS) {
    const n = Math.min(BATCH_KEYS, capacity - start);
    for (let i = 0; i < n; i++) {
      writeSparseKey(arena.u32, keys / 4 + i * 2, start + i);
      arena.u32[slots / 4 + i] = start + i;
    }
    insert(keys, slots, n);
  }
  arena.release(mark);
}

function ourIndex({ arena, kernels }: Bench, capacity: number): Find {
  const index = createIndex(kernels, arena, capacity);
  insertAll(arena, capacity, index.insert);
  return index.find;
}

function nativeIndex(
  { arena, bars }: Bench,
  capacity: number,
  kind: 'C++' | 'C++ rolling',
): Find | undefined {
  if (!bars) return undefined;
  const index = bars.indexCreate(capacity);
  insertAll(arena, capacity, (keys, slots, n) => bars.indexInsert(index, keys, slots, n));
  if (kind === 'C++') return (keys, slots, n) => bars.indexFind(index, keys, slots, n);
  return (keys, slots, n) => bars.indexFindRolling(index, keys, slots, n);
}

/** The index that a program without ours would use. */
function mapIndex(arena: Arena, capacity: number): Find {
  const map = new Map<bigint, number>();
  insertAll(arena, capacity, (keys, slots, n) => {
    for (let i = 0; i < n; i++) map.set(arena.u64[keys / 8 + i], arena.u32[slots / 4 + i]);
  });
  return (keys, slots, n) => {
    for (let i = 0; i < n; i++) arena.u32[slots / 4 + i] = map.get(arena.u64[keys / 8 + i]) ?? NONE;
  };
}
