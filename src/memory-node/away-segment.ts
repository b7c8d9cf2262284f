import * as layout from '../kernel/layout.ts';
import { roundUp } from '../store/room.ts';
import type { IncomingSegment } from '../wire/subrequest.ts';
import type { HostedShard } from './hosting.ts';
import { SegmentCall, type SegmentPlaces, shapeOf, workBytes, workPlaces } from './segment-call.ts';
import type { WorkerArena } from './worker-arena.ts';

/** Bytes of each kind of result. */
interface SegmentBytes {
  readonly values: number;
  readonly counts: number;
  readonly denominators: number;
}

/** A segment whose rows lie in another arena than the frame: its keys go there, its results come back. */
export class AwaySegment {
  readonly call: SegmentCall;
  readonly #home: WorkerArena;
  readonly #arena: WorkerArena;
  readonly #slot: number;
  readonly #slotBytes: number;
  readonly #places: SegmentPlaces;
  readonly #bytes: SegmentBytes;

  static open(
    home: WorkerArena,
    arena: WorkerArena,
    segment: IncomingSegment,
    shard: HostedShard,
  ): AwaySegment | undefined {
    const { vectors, vectorBytes, counts, denominators } = shapeOf(segment, shard);
    const bytes = {
      values: vectors * vectorBytes,
      counts: counts ? vectors * 4 : 0,
      denominators: denominators ? vectors * 4 : 0,
    };
    const input = endOfInput(segment) - segment.keysAt;
    const sizes = [layout.CALL_BYTES, input, bytes.values, bytes.counts, bytes.denominators].map(roundUp);
    const slotBytes = sizes.reduce((sum, size) => sum + size, 0) + workBytes(segment, shard);
    const slot = arena.slots.allocate(slotBytes);
    if (slot === undefined) return undefined;
    return new AwaySegment(home, arena, segment, shard, slot, slotBytes, sizes, bytes);
  }

  private constructor(
    home: WorkerArena,
    arena: WorkerArena,
    segment: IncomingSegment,
    shard: HostedShard,
    slot: number,
    slotBytes: number,
    sizes: readonly number[],
    bytes: SegmentBytes,
  ) {
    this.#home = home;
    this.#arena = arena;
    this.#slot = slot;
    this.#slotBytes = slotBytes;
    this.#bytes = bytes;
    const starts = sizes.map((_, i) => slot + sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
    const [call, input, values, counts, denominators] = starts;
    const work = denominators + sizes[4];
    this.#places = workPlaces(segment, shard, work, { values, counts, denominators, call });
    arena.bytes.set(home.bytes.subarray(segment.keysAt, endOfInput(segment)), input);
    arena.bytes.fill(0, this.#places.fates, this.#places.fates + segment.keys);
    const moved = (at: number): number => (at === 0 ? 0 : at - segment.keysAt + input);
    const here = {
      ...segment,
      keysAt: input,
      offsetsAt: moved(segment.offsetsAt),
      weightsAt: moved(segment.weightsAt),
    };
    this.call = new SegmentCall(arena, shard, here, this.#places);
  }

  bringHome(values: number, counts: number, denominators: number): void {
    const { bytes } = this.#arena;
    const places = this.#places;
    const bring = (from: number, length: number, to: number): void => {
      this.#home.bytes.set(bytes.subarray(from, from + length), to);
    };
    bring(places.values, this.#bytes.values, values);
    bring(places.counts, this.#bytes.counts, counts);
    bring(places.denominators, this.#bytes.denominators, denominators);
  }

  close(): void {
    this.#arena.slots.free(this.#slot, this.#slotBytes);
  }
}

/** Where a segment's keys, offsets and weights end. */
function endOfInput({ keys, keysAt, wide, bags, weightsAt }: IncomingSegment): number {
  if (weightsAt !== 0) return weightsAt + keys * 4;
  return keysAt + keys * (wide ? 8 : 4) + (bags > 0 ? (bags + 1) * 4 : 0);
}
