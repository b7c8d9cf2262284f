import * as layout from '../kernel/answer-layout.ts';
import { writePoolCall } from '../kernel/call.ts';
import { DONE } from '../kernel/layout.ts';
import { roundUp } from '../store/free-list.ts';
import type { WireError } from '../wire/reply.ts';
import { Answer, wireErrorOf } from './answer.ts';
import type { HostedShard } from './hosting.ts';
import type { AnswerMemory } from './worker-arena.ts';

export interface Serving {
  /** Fingerprint of the routing table. */
  readonly plan: bigint;
  /** Bytes of the largest reply. */
  readonly replyBytes: number;
  /** Most keys of a frame, and most bags of a segment. */
  readonly keysMax: number;
  readonly bagsMax: number;
  readonly shards: readonly HostedShard[];
}

/** An arena, and a description of what it serves. The description is written once to memory that its kernels read. */
export class ServedArena<Memory extends AnswerMemory = AnswerMemory> {
  readonly arena: Memory;
  /** Bytes of its description. */
  readonly bytes: number;
  readonly #served: number;
  /** Address of the answer block of the frame that was opened last (kernel/answer-layout.ts). */
  readonly #opened: number;

  /** @param number of the arena; rows in other arenas count as away @throws RangeError if its slots are too small */
  constructor(arena: Memory, number: number, serving: Serving) {
    const { plan, replyBytes, keysMax, bagsMax, shards } = serving;
    const numbers = shards.reduce((most, shard) => Math.max(most, shard.number + 1), 0);
    const listBytes = roundUp(layout.SERVED_HEADER_BYTES + numbers * 4);
    const bytes = layout.ANSWER_BYTES + listBytes + shards.length * layout.SHARD_BYTES;
    const opened = arena.slots.allocate(bytes);
    if (opened === undefined)
      throw new RangeError(`the slots have no space for the ${bytes} bytes that describe their shards`);
    const served = opened + layout.ANSWER_BYTES;
    const { words } = arena;
    words.fill(0, served >>> 2, (served + listBytes) >>> 2);
    words[(served + layout.SERVED_PLAN) >>> 2] = Number(plan & 0xffffffffn);
    words[(served + layout.SERVED_PLAN + 4) >>> 2] = Number(plan >> 32n);
    words[(served + layout.SERVED_REPLY_BYTES_MAX) >>> 2] = replyBytes;
    words[(served + layout.SERVED_KEYS_MAX) >>> 2] = keysMax;
    words[(served + layout.SERVED_BAGS_MAX) >>> 2] = bagsMax;
    words[(served + layout.SERVED_SHARDS) >>> 2] = numbers;
    for (const [i, shard] of shards.entries()) {
      const record = served + listBytes + i * layout.SHARD_BYTES;
      words[(served + layout.SERVED_HEADER_BYTES + shard.number * 4) >>> 2] = record;
      writeShard(arena, record, shard, shard.arena !== number);
    }
    this.arena = arena;
    this.bytes = bytes;
    this.#served = served;
    this.#opened = opened;
  }

  /**
   * Reads the frame of `bytes` bytes at `frame`. @param head address of its header and entries, which must stay there
   * until the answer is closed @returns the error if the frame is refused
   */
  open(frame: number, bytes: number, head: number = frame): WireError | undefined {
    const status = this.arena.kernels.openAnswer(this.#opened, this.#served, frame, bytes, head);
    return status === DONE ? undefined : wireErrorOf(this.arena, this.#opened);
  }

  /** Whether the frame that was opened last has rows in another arena. The members below are about this frame, too. */
  get isAway(): boolean {
    return this.at(layout.ANSWER_AWAY) > 0;
  }

  /** What its segments ask for, in total. */
  get contents(): { keys: number; segments: number; fetches: number; fetchedKeys: number } {
    return {
      keys: this.at(layout.ANSWER_KEYS),
      segments: this.at(layout.ANSWER_SEGMENTS),
      fetches: this.at(layout.ANSWER_FETCHES),
      fetchedKeys: this.at(layout.ANSWER_FETCHED_KEYS),
    };
  }

  /** Bytes of its reply if every key is an exception. */
  get replyBytesMax(): number {
    return this.at(layout.ANSWER_REPLY_BYTES) + this.at(layout.ANSWER_KEYS) * 4;
  }

  /** A field of its answer's block. */
  at(field: number): number {
    return this.arena.words[(this.#opened + field) >>> 2];
  }

  /** Allocates a slot for its answer. Returns undefined if there is no space now. */
  answer(): Answer | undefined {
    const replyBytes = roundUp(this.replyBytesMax);
    const bytes = layout.ANSWER_BYTES + replyBytes + this.at(layout.ANSWER_WORK_BYTES);
    const { slots, words } = this.arena;
    const slot = slots.allocate(bytes);
    if (slot === undefined) return undefined;
    words.copyWithin(slot >>> 2, this.#opened >>> 2, (this.#opened + layout.ANSWER_CALL) >>> 2);
    words[(slot + layout.ANSWER_REPLY) >>> 2] = slot + layout.ANSWER_BYTES;
    words[(slot + layout.ANSWER_WORK) >>> 2] = slot + layout.ANSWER_BYTES + replyBytes;
    words[(slot + layout.ANSWER_SCRATCH) >>> 2] = this.arena.scratch;
    words[(slot + layout.ANSWER_INDEX_SCRATCH) >>> 2] = this.arena.indexScratch;
    return new Answer(this.arena, slot, bytes);
  }

  /** Frees the description. No answer may be in progress. */
  close(): void {
    this.arena.slots.free(this.#opened, this.bytes);
  }
}

function writeShard({ words }: AnswerMemory, record: number, shard: HostedShard, away: boolean): void {
  const { mode, rows, padding, missing, touch, version, index, updates } = shard;
  const frame = { keys: 0, keyBytes: 4, keyCount: 0, offsets: 0, weights: 0 } as const;
  const results = { out: 0, counts: 0, denominators: 0, outcomes: 0, scratch: 0 };
  writePoolCall(
    words,
    record,
    rows,
    { ...frame, ...results },
    {
      mode: mode === 'none' ? 'sum' : mode,
      partial: false,
      touch,
      padding,
      missing,
      begin: 0,
      end: 0,
      firstKey: 0,
    },
  );
  const keyWeight = rows.rowBytes + (index === 0 ? 0 : layout.INDEXED_KEY_WEIGHT);
  words[(record + layout.SHARD_VERSION) >>> 2] = version;
  words[(record + layout.SHARD_POOLED) >>> 2] = Number(mode !== 'none');
  words[(record + layout.SHARD_INDEX) >>> 2] = index;
  words[(record + layout.SHARD_KEY_WEIGHT) >>> 2] = keyWeight;
  words[(record + layout.SHARD_AWAY) >>> 2] = Number(away);
  words[(record + layout.SHARD_UPDATES) >>> 2] = updates;
}
