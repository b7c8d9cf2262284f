// The memory that one lookup needs, computed before anything is copied.
import * as layout from '../kernel/ask-layout.ts';
import { FILL_BYTES, PROBED_BYTES } from '../kernel/cache-layout.ts';
import { CHECKSUM_BYTES } from '../kernel/layout.ts';
import { HEADER_BYTES, SEGMENT_BYTES } from '../wire/layout.ts';
import type { BagReader } from './bag-reader.ts';

/** Rounds up to the alignment of arrays within a lookup. */
export function alignUp(bytes: number): number {
  return bytes + (-bytes & 15);
}

/** What a bag takes that is looked for in a cache, besides its vector. */
const cachedBagBytes = FILL_BYTES + 5 * 4;

/** The parts of the memory of a lookup: bytes, and the number of segments. */
export interface AskedRoom {
  readonly segments: number;
  /** Copies of the caller's arrays. */
  readonly input: number;
  /** Memory for the largest step of `ask`, which is used again by every step. */
  readonly work: number;
  /** All of it, until replies arrive. */
  readonly bytes: number;
}

/** What the memory of a lookup depends on, besides its bags. */
export interface RoomOptions {
  /** Whether rows may be fetched. */
  readonly fetches: boolean;
  /** Whether equal bags are sought. */
  readonly deduplicates: boolean;
  /** Whether bags are looked for in a cache. */
  readonly cached: boolean;
  /** Number of nodes. */
  readonly nodes: number;
  /** Keys of a part of a whole table; 0: it is not divided. */
  readonly splitKeys: number;
}

export function askedRoom(
  reader: BagReader,
  { fetches, deduplicates, cached: isCached, nodes, splitKeys }: RoomOptions,
): AskedRoom {
  // Frames are summed in the work memory, too.
  let [segments, input, taken, work] = [0, 0, 0, Math.max(CHECKSUM_BYTES, nodes * 8, PROBED_BYTES)];
  for (let i = 0; i < reader.count; i++) {
    const { spec, indexed, padding, cached, shards: places } = reader.tables[i];
    const [keys, bags, shards] = [reader.keys[i].length, reader.bags[i], places.length];
    const weightBytes = reader.weights[i] === undefined ? 0 : keys * 4;
    const keyBytes = keys * (indexed ? 8 : 4);
    const parts = splitKeys === 0 ? 1 : Math.ceil((keys + 1) / splitKeys);
    const own = shards === 1 ? parts : Math.min(shards, Math.max(1, keys));
    const counts = Math.max(bags + 1, reader.offsets[i].length);
    input += alignUp(keys * reader.keys[i].BYTES_PER_ELEMENT) + alignUp(weightBytes);
    input += alignUp(counts * reader.offsets[i].BYTES_PER_ELEMENT);
    input += alignUp((reader.inverses[i]?.length ?? 0) * 4);
    segments += own;
    // A cut bag has at most as many parts as keys.
    const offsetBytes = ((shards === 1 ? bags : Math.min(keys, bags * shards)) + own) * 4;
    // A whole table has a result for every bag; other shards only for bags that they have keys of.
    const pooled = shards === 1 ? bags : Math.min(keys, bags * shards);
    const results = spec.mode === 'none' ? keys : pooled;
    // The frames, and the counts and denominators of their replies.
    taken += keyBytes + weightBytes + offsetBytes + results * 8 + own * 16;
    taken += own * (SEGMENT_BYTES + HEADER_BYTES + layout.SENT_RECORD_BYTES + 2 * layout.RANGE_BYTES + 32);
    if (padding !== undefined) taken += alignUp(keys * 4);
    if (deduplicates && bags > 1) taken += alignUp(bags * 4) + alignUp(bags * 4 + 4);
    if (parts > 1 && shards === 1) taken += offsetBytes + Math.max(bags, keys) * 4 + own * 48;
    if (shards > 1) taken += keyBytes + weightBytes + offsetBytes + keys * 4 + own * 64;
    if (isCached && cached.number !== 0) taken += bags * (spec.dim * 4 + cachedBagBytes) + 128;
    if (fetches) taken += keyBytes + keys * 4 + own * 32;
    const compared = Math.max(fetches ? keys : 0, deduplicates ? bags : 0);
    work = Math.max(work, 16 * Math.max(compared, shards) + 64);
  }
  const records = reader.count * layout.FEATURE_BYTES + segments * layout.ASKED_BYTES;
  const bytes = layout.ASK_BYTES + alignUp(records) + input + alignUp(taken) + alignUp(work);
  return { segments, input, work: alignUp(work), bytes };
}
