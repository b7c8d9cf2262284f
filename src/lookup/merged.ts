// Merges the replies to a lookup in memory, and takes the results out of it.
import { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import { DONE, MORE } from '../kernel/layout.ts';
import { keysAtOnceMax } from '../limits.ts';
import type { BufferPool, PooledBytes } from '../store/buffer-pool.ts';
import type { AskedLookup } from './asked.ts';
import { alignUp } from './asked-room.ts';
import type { LookupMemory } from './lookup-memory.ts';

/** The reply to a frame. It has been checked. */
export interface CheckedReply {
  readonly bytes: Uint8Array;
  /** Number of its exceptions. */
  readonly exceptionCount: number;
  /** Set by the merge: results are used where they are in it. */
  viewed: boolean;
}

/** Memory for a merge. The block of the lookup is in the same memory. */
export interface MergeRoom {
  readonly memory: LookupMemory;
  readonly address: number;
  free(): void;
}

/** Gives memory for the merge of a lookup. @throws OUT_OF_MEMORY */
export type MergeAllocator = (asked: AskedLookup, bytes: number) => MergeRoom;

/** The merge of the replies to a lookup. It takes several calls if there is much to merge. */
export class ReplyMerge {
  readonly #asked: AskedLookup;
  readonly #replies: readonly (CheckedReply | undefined)[];
  readonly #room: MergeRoom;
  /** Address of the results. */
  readonly #results: number;

  /** @param replies by frame; undefined: there is none, so its keys count as absent @throws OUT_OF_MEMORY */
  constructor(asked: AskedLookup, replies: readonly (CheckedReply | undefined)[], allocate: MergeAllocator) {
    const { words, kernels } = asked.memory;
    this.#asked = asked;
    this.#replies = replies;
    for (let i = 0; i < replies.length; i++) {
      const record = asked.frame(i) >>> 2;
      words[record + (layout.SENT_REPLIED >>> 2)] = replies[i]?.bytes.length ?? 0;
      words[record + (layout.SENT_EXCEPTIONS >>> 2)] = replies[i]?.exceptionCount ?? 0;
    }
    kernels.openMerge(asked.block);
    const broughtBytes = alignUp(asked.at(layout.MERGE_BROUGHT_BYTES));
    const resultBytes = alignUp(asked.at(layout.MERGE_RESULT_BYTES));
    this.#room = allocate(asked, broughtBytes + resultBytes + asked.at(layout.MERGE_WORK_BYTES));
    const { address } = this.#room;
    this.#results = address + broughtBytes;
    this.#set(layout.MERGE_BROUGHT, address);
    this.#set(layout.MERGE_RESULTS, this.#results);
    this.#set(layout.MERGE_WORK, this.#results + resultBytes);
    this.#bring();
  }

  #set(field: number, value: number): void {
    this.#room.memory.words[(this.#asked.block + field) >>> 2] = value;
  }

  /** Copies the ranges of the replies that the kernel reads. */
  #bring(): void {
    const { memory, address } = this.#room;
    const { words, bytes } = memory;
    const ranges = this.#asked.at(layout.MERGE_RANGES);
    let at = this.#asked.at(layout.MERGE_RANGE_LIST) >>> 2;
    for (let i = 0; i < ranges; i++, at += layout.RANGE_BYTES >>> 2) {
      const reply = this.#replies[words[at + (layout.RANGE_FRAME >>> 2)]];
      const from = words[at + (layout.RANGE_FROM >>> 2)];
      const to = address + words[at + (layout.RANGE_TO >>> 2)];
      const size = words[at + (layout.RANGE_SIZE >>> 2)];
      if (reply !== undefined) bytes.set(reply.bytes.subarray(from, from + size), to);
    }
  }

  /** Merges as much as one call does. @returns whether it is done */
  step(): boolean {
    const status = this.#room.memory.kernels.mergeReplies(this.#asked.block, keysAtOnceMax);
    if (status !== DONE && status !== MORE)
      throw new FlexemrError('INVALID_FRAME', 'the fetched rows cannot be pooled');
    return status === DONE;
  }

  /** Copies the results (kernel/result-layout.ts: RESULT_*), and notes which replies still hold some. */
  results(pool: BufferPool): PooledBytes {
    const { words, bytes } = this.#room.memory;
    for (let i = 0; i < this.#replies.length; i++) {
      const reply = this.#replies[i];
      if (reply) reply.viewed = words[(this.#asked.frame(i) + layout.SENT_VIEWED) >>> 2] === 1;
    }
    const used = words[(this.#asked.block + layout.MERGE_NEXT) >>> 2];
    const results = pool.take(used);
    results.bytes.set(bytes.subarray(this.#results, this.#results + used));
    return results;
  }

  /** Frees its memory. */
  close(): void {
    this.#room.free();
  }
}
