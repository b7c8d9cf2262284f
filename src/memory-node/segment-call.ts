import { writePoolCall } from '../kernel/call.ts';
import * as layout from '../kernel/layout.ts';
import { sliceKeysMax } from '../limits.ts';
import { roundUp } from '../store/room.ts';
import type { ReplyShape, WireError } from '../wire/reply.ts';
import type { IncomingSegment } from '../wire/subrequest.ts';
import type { HostedShard } from './hosting.ts';
import type { WorkerArena } from './worker-arena.ts';

/** Addresses that a segment's results go to, in the arena of its rows. */
export interface SegmentPlaces {
  readonly values: number;
  readonly counts: number;
  readonly denominators: number;
  /** u8 [keys], cleared. */
  readonly fates: number;
  /** u32 [keys]: rows of ids, for an indexed shard. */
  readonly rows: number;
  /** CALL_BYTES */
  readonly call: number;
}

/** What a segment asks for that its shard cannot give. */
export function refusal(segment: IncomingSegment, shard: HostedShard, i: number): WireError | undefined {
  const { mode, rows } = shard;
  if (segment.version !== shard.version)
    return { code: 'STALE_ROUTING', segment: i, position: segment.version, value: shard.version };
  if (segment.weightsAt !== 0 && (mode === 'max' || mode === 'none'))
    return { code: 'INVALID_WEIGHTS', segment: i };
  if (shard.index !== 0 && !segment.wide) return { code: 'INVALID_KEY', segment: i };
  if (segment.missing === 'default' && rows.last && rows.defaultRow === 0)
    return { code: 'INVALID_OPTION', segment: i };
  if (segment.bags === 0 && !segment.fetch && mode !== 'none') return { code: 'INVALID_OFFSETS', segment: i };
  return undefined;
}

/** What a segment's reply holds. */
export function shapeOf(
  segment: Pick<IncomingSegment, 'fetch' | 'keys' | 'bags' | 'partial' | 'weightsAt'>,
  { mode, rows }: HostedShard,
): ReplyShape {
  if (segment.fetch) {
    return { vectors: segment.keys, vectorBytes: rows.rowBytes, counts: false, denominators: false };
  }
  const pooled = mode !== 'none';
  const divides = mode === 'mean' || mode === 'sqrtn';
  return {
    vectors: pooled ? segment.bags : segment.keys,
    vectorBytes: rows.dim * 4,
    counts: true,
    denominators: segment.partial && segment.weightsAt !== 0 && divides,
  };
}

/** One segment on its way through a kernel, a slice at a time. */
export class SegmentCall {
  readonly #arena: WorkerArena;
  readonly #shard: HostedShard;
  readonly #segment: IncomingSegment;
  readonly #places: SegmentPlaces;
  readonly #kernel: 'pool' | 'gather' | 'fetch';
  #resolved = 0;

  /** @param touch walk over rows before folding them */
  constructor(
    arena: WorkerArena,
    shard: HostedShard,
    segment: IncomingSegment,
    places: SegmentPlaces,
    touch: boolean = shard.touch,
  ) {
    this.#arena = arena;
    this.#shard = shard;
    this.#segment = segment;
    this.#places = places;
    this.#kernel = segment.fetch ? 'fetch' : shard.mode === 'none' ? 'gather' : 'pool';
    this.#write(touch);
  }

  #write(touch: boolean): void {
    const { mode, rows, padding, missing, index } = this.#shard;
    const { keys, keysAt, wide, bags, offsetsAt, weightsAt, partial } = this.#segment;
    const { values, counts, denominators, fates } = this.#places;
    const buffers = {
      keys: index === 0 ? keysAt : this.#places.rows,
      keyBytes: wide && index === 0 ? 8 : 4,
      keyCount: keys,
      offsets: offsetsAt,
      weights: weightsAt,
      out: values,
      counts,
      denominators,
      fates,
      scratch: this.#arena.scratch,
    } as const;
    writePoolCall(this.#arena.words, this.#places.call, rows, buffers, {
      mode: mode === 'none' ? 'sum' : mode,
      partial,
      touch,
      padding,
      missing: this.#segment.missing ?? missing,
      begin: 0,
      end: this.#kernel === 'pool' ? bags : keys,
      firstKey: 0,
    });
  }

  /** Goes on with up to `keys` keys. @returns DONE, MORE, BAD_KEY or BAD_OFFSETS */
  step(keys: number): number {
    if (this.#shard.index !== 0 && this.#resolved < this.#segment.keys) {
      this.#resolve(Math.min(keys, sliceKeysMax));
      return layout.MORE;
    }
    return this.#arena.kernels[this.#kernel](this.#places.call, keys);
  }

  #resolve(keys: number): void {
    const { kernels, indexScratch } = this.#arena;
    const count = Math.min(keys, this.#segment.keys - this.#resolved);
    const from = this.#segment.keysAt + this.#resolved * 8;
    kernels.indexFind(this.#shard.index, from, this.#places.rows + this.#resolved * 4, count, indexScratch);
    this.#resolved += count;
  }

  /** What a kernel refused. */
  error(i: number, status: number): WireError {
    const { words } = this.#arena;
    const position = words[(this.#places.call + layout.CALL_ERROR_POSITION) >>> 2];
    if (status === layout.BAD_OFFSETS) return { code: 'INVALID_OFFSETS', segment: i, position };
    return { code: 'INVALID_KEY', segment: i, position, value: this.#keyAt(position) };
  }

  #keyAt(position: number): bigint {
    const { words } = this.#arena;
    const { keysAt, wide } = this.#segment;
    const at = (keysAt >>> 2) + position * (wide ? 2 : 1);
    return (wide ? BigInt(words[at + 1]) << 32n : 0n) | BigInt(words[at]);
  }

  /** Whether some keys were not simply pooled. */
  get hasExceptions(): boolean {
    return this.#arena.words[(this.#places.call + layout.CALL_EXCEPTIONS) >>> 2] !== 0;
  }

  /** Positions of keys that were not simply pooled, each with its fate. */
  *exceptions(): Generator<{ readonly position: number; readonly fate: number }> {
    const { bytes } = this.#arena;
    for (let position = 0; position < this.#segment.keys; position++) {
      const fate = bytes[this.#places.fates + position];
      if (fate !== layout.FATE_POOLED) yield { position, fate };
    }
  }
}

// What kernels write of a segment that its reply does not hold, in bytes.
function rowsOfIdsBytes({ keys }: IncomingSegment, { index }: HostedShard): number {
  return index === 0 ? 0 : roundUp(keys * 4);
}
function countsOfFetchedBytes({ keys, fetch }: IncomingSegment): number {
  return fetch ? roundUp(keys * 4) : 0;
}
function denominatorsUsedHereBytes(segment: IncomingSegment, { mode }: HostedShard): number {
  const divides = mode === 'mean' || mode === 'sqrtn';
  return segment.weightsAt !== 0 && divides && !segment.partial ? roundUp(segment.bags * 4) : 0;
}

/** Bytes a segment needs beside its results. */
export function workBytes(segment: IncomingSegment, shard: HostedShard): number {
  const results = countsOfFetchedBytes(segment) + denominatorsUsedHereBytes(segment, shard);
  return roundUp(segment.keys) + rowsOfIdsBytes(segment, shard) + results;
}

/** Where everything of a segment goes: what its reply holds where it says, the rest from `work` on. */
export function workPlaces(
  segment: IncomingSegment,
  shard: HostedShard,
  work: number,
  results: Pick<SegmentPlaces, 'values' | 'counts' | 'denominators' | 'call'>,
): SegmentPlaces {
  const rows = work + roundUp(segment.keys);
  const counts = rows + rowsOfIdsBytes(segment, shard);
  const denominators = counts + countsOfFetchedBytes(segment);
  return {
    call: results.call,
    values: results.values,
    fates: work,
    rows,
    counts: segment.fetch ? counts : results.counts,
    denominators: denominatorsUsedHereBytes(segment, shard) > 0 ? denominators : results.denominators,
  };
}
