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

/** What the merges of one ranker share. */
export interface MergeContext {
  readonly allocate: MergeAllocator;
  /** Memory for results. */
  readonly pool: BufferPool;
  /** Waits for the next turn between two calls of the kernel. */
  readonly pause: () => Promise<void>;
}

/**
 * Merges the replies. @param replies by frame; undefined: there is none, so its keys count as absent
 * @returns the results (kernel/ask-layout.ts: RESULT_*) @throws OUT_OF_MEMORY
 */
export async function mergeReplies(
  asked: AskedLookup,
  replies: readonly (CheckedReply | undefined)[],
  { allocate, pool, pause }: MergeContext,
): Promise<PooledBytes> {
  for (let i = 0; i < replies.length; i++) {
    const record = asked.frame(i) >>> 2;
    const reply = replies[i];
    asked.memory.words[record + (layout.SENT_REPLIED >>> 2)] = reply?.bytes.length ?? 0;
    asked.memory.words[record + (layout.SENT_EXCEPTIONS >>> 2)] = reply?.exceptionCount ?? 0;
  }
  asked.memory.kernels.openMerge(asked.block);
  const broughtBytes = alignUp(asked.at(layout.MERGE_BROUGHT_BYTES));
  const resultBytes = alignUp(asked.at(layout.MERGE_RESULT_BYTES));
  const room = allocate(asked, broughtBytes + resultBytes + asked.at(layout.MERGE_WORK_BYTES));
  try {
    const { memory, address } = room;
    const { words, kernels } = memory;
    words[(asked.block + layout.MERGE_BROUGHT) >>> 2] = address;
    words[(asked.block + layout.MERGE_RESULTS) >>> 2] = address + broughtBytes;
    words[(asked.block + layout.MERGE_WORK) >>> 2] = address + broughtBytes + resultBytes;
    bring(asked, memory, address, replies);
    let status = kernels.mergeReplies(asked.block, keysAtOnceMax);
    while (status === MORE) {
      await pause();
      status = kernels.mergeReplies(asked.block, keysAtOnceMax);
    }
    if (status !== DONE) throw new FlexemrError('INVALID_FRAME', 'the fetched rows cannot be pooled');
    for (let i = 0; i < replies.length; i++) {
      const reply = replies[i];
      if (reply) reply.viewed = words[(asked.frame(i) + layout.SENT_VIEWED) >>> 2] === 1;
    }
    const used = words[(asked.block + layout.MERGE_NEXT) >>> 2];
    const results = pool.take(used);
    results.bytes.set(memory.bytes.subarray(address + broughtBytes, address + broughtBytes + used));
    return results;
  } finally {
    room.free();
  }
}

/** Copies the ranges of the replies that the kernel reads. */
function bring(
  asked: AskedLookup,
  { words, bytes }: LookupMemory,
  address: number,
  replies: readonly (CheckedReply | undefined)[],
): void {
  const ranges = asked.at(layout.MERGE_RANGES);
  let at = asked.at(layout.MERGE_RANGE_LIST) >>> 2;
  for (let i = 0; i < ranges; i++, at += layout.RANGE_BYTES >>> 2) {
    const reply = replies[words[at + (layout.RANGE_FRAME >>> 2)]];
    const from = words[at + (layout.RANGE_FROM >>> 2)];
    const size = words[at + (layout.RANGE_SIZE >>> 2)];
    if (reply)
      bytes.set(reply.bytes.subarray(from, from + size), address + words[at + (layout.RANGE_TO >>> 2)]);
  }
}
