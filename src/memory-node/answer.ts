import * as layout from '../kernel/layout.ts';
import { approachBytesMax } from '../limits.ts';
import { roundUp } from '../store/room.ts';
import { EXCEPTION_FATE_SHIFT, FRAME_ID } from '../wire/layout.ts';
import {
  type ReplyLoad,
  type ReplyPlaces,
  replyPlaces,
  type WireError,
  writeReplyHeader,
} from '../wire/reply.ts';
import type { IncomingSegment, Subrequest } from '../wire/subrequest.ts';
import { AwaySegment } from './away-segment.ts';
import type { HostedShard } from './hosting.ts';
import { refusal, SegmentCall, shapeOf, workBytes, workPlaces } from './segment-call.ts';
import type { WorkerArena } from './worker-arena.ts';

/** Index lookups cost about as much as a row of this size. */
const indexedKeyBytes = 64;
/** And whatever a segment holds, beginning it costs about as much as rows of this size. */
const segmentWeight = 4096;

interface Part {
  readonly segment: IncomingSegment;
  readonly shard: HostedShard;
}

/** The answer to one subrequest, in a slot beside it: laid out at first, then pooled slice by slice. */
export class Answer {
  /** About how many bytes pooling goes through: what decides whether it is done at once. */
  readonly weight: number;
  readonly #arenas: readonly WorkerArena[];
  readonly #home: WorkerArena;
  readonly #frame: number;
  readonly #parts: readonly Part[];
  readonly #places: ReplyPlaces;
  /** Where the work of the segment at hand lies: each of them starts over there. */
  readonly #work: number;
  /** It begins with the fates of keys. Nothing else lies there, so that they need not be cleared for each segment. */
  readonly #fateBytes: number;
  readonly #slot: number;
  readonly #slotBytes: number;
  readonly #exceptions: number[] = [];
  #current: SegmentCall | undefined;
  #away: AwaySegment | undefined;
  #next = 0;
  #keysBefore = 0;
  /** Its rows were touched before any were pooled. */
  #near: boolean | undefined;

  /** Room for the answer, or why there will be none. */
  static prepare(
    arenas: readonly WorkerArena[],
    shards: ReadonlyMap<number, HostedShard>,
    frame: number,
    subrequest: Subrequest,
    replyBytesMax: number,
  ): Answer | WireError {
    const parts: Part[] = [];
    for (const [i, segment] of subrequest.segments.entries()) {
      const shard = shards.get(segment.shard);
      if (shard === undefined) return { code: 'STALE_ROUTING', segment: i, value: segment.shard };
      const error = refusal(segment, shard, i);
      if (error) return error;
      parts.push({ segment, shard });
    }
    const places = replyPlaces(parts.map(({ segment, shard }) => shapeOf(segment, shard)));
    const replyBytes = places.end + subrequest.keys * 4;
    if (replyBytes > replyBytesMax)
      return { code: 'LIMIT_EXCEEDED', position: replyBytes, value: replyBytesMax };
    const fates = fateBytes(parts);
    const rest = parts.map(({ segment, shard }) => workBytes(segment, shard) - roundUp(segment.keys));
    const work = rest.reduce((most, bytes) => Math.max(most, fates + bytes), 0);
    const bytes = roundUp(layout.CALL_BYTES) + roundUp(replyBytes) + work;
    const slot = arenas[0].slots.allocate(bytes);
    if (slot === undefined) return { code: 'OVERLOADED' };
    return new Answer(arenas, frame, parts, places, { address: slot, bytes, work: bytes - work });
  }

  private constructor(
    arenas: readonly WorkerArena[],
    frame: number,
    parts: readonly Part[],
    places: ReplyPlaces,
    slot: { readonly address: number; readonly bytes: number; readonly work: number },
  ) {
    this.#arenas = arenas;
    this.#home = arenas[0];
    this.#frame = frame;
    this.#parts = parts;
    this.#places = places;
    this.#slot = slot.address;
    this.#slotBytes = slot.bytes;
    this.#work = slot.address + slot.work;
    this.#fateBytes = fateBytes(parts);
    this.weight = parts.reduce(
      (sum, { segment, shard }) => sum + segmentWeight + segment.keys * keyWeight(shard),
      0,
    );
    this.#clearFates();
  }

  get #reply(): number {
    return this.#slot + roundUp(layout.CALL_BYTES);
  }

  /**
   * Pools for one slice. @param bytes that it goes through, about
   * @returns true when all is done, false to go on, or what went wrong
   */
  step(bytes: number): boolean | WireError {
    let left = bytes;
    this.#near ??= this.#approach();
    while (this.#next < this.#parts.length) {
      const { segment, shard } = this.#parts[this.#next];
      if (left <= 0) return false;
      if (this.#current === undefined) {
        this.#current = this.#begin(segment, shard);
        left -= segmentWeight;
      }
      if (this.#current === undefined) return { code: 'OVERLOADED' };
      const keys = Math.max(1, Math.min(segment.keys, Math.floor(left / keyWeight(shard))));
      const status = this.#current.step(keys);
      left -= keys * keyWeight(shard);
      if (status === layout.MORE) continue;
      if (status !== layout.DONE) return this.#current.error(this.#next, status);
      this.#finish(segment);
    }
    return true;
  }

  /** Touches all rows of a short subrequest at once. @returns whether they are near now */
  #approach(): boolean {
    if (this.weight > approachBytesMax) return false;
    for (const { segment, shard } of this.#parts) {
      if (!shard.touch || shard.index !== 0) continue;
      const { address, rows, rowBase, rowBytes } = shard.rows;
      const { keysAt, keys, wide } = segment;
      const { kernels } = this.#arenas[shard.arena];
      // The frame lies at home: keys of rows elsewhere are not seen from there.
      if (shard.arena === 0) kernels.approach(address, rows, rowBase, rowBytes, keysAt, wide ? 8 : 4, keys);
    }
    return true;
  }

  #begin(segment: IncomingSegment, shard: HostedShard): SegmentCall | undefined {
    const arena = this.#arenas[shard.arena];
    if (segment.fetch) this.#clearPadding(segment, shard);
    if (arena !== this.#home) {
      this.#away = AwaySegment.open(this.#home, arena, segment, shard);
      return this.#away?.call;
    }
    const work = this.#work + this.#fateBytes - roundUp(segment.keys);
    const places = workPlaces(segment, shard, work, {
      values: this.#reply + this.#places.values[this.#next],
      counts: this.#reply + this.#places.counts[this.#next],
      denominators: this.#reply + this.#places.denominators[this.#next],
      call: this.#slot,
    });
    const near = this.#near === true && shard.index === 0;
    return new SegmentCall(arena, shard, segment, places, shard.touch && !near);
  }

  /** Rows may end amid a word: what is left of it must not carry what lay there before. */
  #clearPadding(segment: IncomingSegment, shard: HostedShard): void {
    const { vectors, vectorBytes } = shapeOf(segment, shard);
    const end = this.#reply + this.#places.values[this.#next] + vectors * vectorBytes;
    if (end % 4 !== 0) this.#home.words[end >>> 2] = 0;
  }

  #finish(segment: IncomingSegment): void {
    if (this.#current?.hasExceptions) this.#noteExceptions(this.#current);
    const { values, counts, denominators } = this.#places;
    this.#away?.bringHome(
      this.#reply + values[this.#next],
      this.#reply + counts[this.#next],
      this.#reply + denominators[this.#next],
    );
    this.#away?.close();
    this.#away = undefined;
    this.#current = undefined;
    this.#keysBefore += segment.keys;
    this.#next++;
  }

  #noteExceptions(call: SegmentCall): void {
    for (const { position, fate } of call.exceptions()) {
      this.#exceptions.push((this.#keysBefore + position) | (fate << EXCEPTION_FATE_SHIFT));
    }
    this.#clearFates();
  }

  /** Kernels write only the fates of keys that they do not pool; segments take turns in one place. */
  #clearFates(): void {
    this.#home.bytes.fill(0, this.#work, this.#work + this.#fateBytes);
  }

  /** The reply, once all is pooled. It stays until `close`. */
  reply(load: ReplyLoad): Uint8Array {
    const { words, bytes } = this.#home;
    const end = this.#reply + this.#places.end;
    words.set(this.#exceptions, end >>> 2);
    const length = this.#places.end + this.#exceptions.length * 4;
    const head = {
      id: words[(this.#frame + FRAME_ID) >>> 2],
      bytes: length,
      exceptions: this.#exceptions.length,
    };
    writeReplyHeader(words, this.#reply >>> 2, head, load);
    return bytes.subarray(this.#reply, this.#reply + length);
  }

  /** Gives the slot back. */
  close(): void {
    this.#away?.close();
    this.#home.slots.free(this.#slot, this.#slotBytes);
  }
}

/** Room for the fates of the largest segment. */
function fateBytes(parts: readonly Part[]): number {
  return roundUp(parts.reduce((most, { segment }) => Math.max(most, segment.keys), 0));
}

function keyWeight({ rows, index }: HostedShard): number {
  return rows.rowBytes + (index === 0 ? 0 : indexedKeyBytes);
}
