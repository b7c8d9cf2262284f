// The results of one lookup in shared memory: the results, the replies that hold some of them, and a list of these.

import type { FeatureNames } from '../lookup/bag-reader.ts';
import { type HeldReply, PooledLookup, type PooledParts } from '../lookup/pooled.ts';
import type { BufferPool } from '../store/buffer-pool.ts';

/** Words of the list for a reply: number of its frame, where it is, and its bytes. */
const entryWords = 3;
/** At the end: number of replies, and of frames. */
const tailWords = 2;

function align(bytes: number): number {
  return (bytes + 15) & ~15;
}

/** Bytes that the results take. */
export function resultsBytes({ results, replies }: PooledParts): number {
  let bytes = align(results.length);
  let held = 0;
  for (const reply of replies) {
    if (reply === undefined) continue;
    bytes += align(reply.bytes.length);
    held++;
  }
  return bytes + (held * entryWords + tailWords) * 4;
}

/** @param at a multiple of 16 */
export function writeResults({ results, replies }: PooledParts, memory: Uint8Array, at: number): void {
  const bytes = resultsBytes({ results, replies });
  const words = new Uint32Array(memory.buffer, memory.byteOffset + at, bytes >>> 2);
  memory.set(results, at);
  let next = align(results.length);
  let held = 0;
  const end = (bytes >>> 2) - tailWords;
  for (let frame = 0; frame < replies.length; frame++) {
    const reply = replies[frame];
    if (reply === undefined) continue;
    memory.set(reply.bytes, at + next);
    words.set([frame, next, reply.bytes.length], end - ++held * entryWords);
    next += align(reply.bytes.length);
  }
  words[end] = held;
  words[end + 1] = replies.length;
}

/** Memory with results. It may be used again after `release`. */
export interface ResultsMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  release(): void;
}

/** The results that were written, where they are. @param results memory from the begin of the results to their end */
export function readResults(results: ResultsMemory, names: FeatureNames, pool: BufferPool): PooledLookup {
  const { buffer, byteOffset, length } = results.bytes;
  const words = new Uint32Array(buffer, byteOffset, length >>> 2);
  const end = words.length - tailWords;
  const replies: (HeldReply | undefined)[] = new Array(words[end + 1]);
  for (let i = 1; i <= words[end]; i++) {
    const entry = end - i * entryWords;
    const [frame, from, bytes] = [words[entry], words[entry + 1], words[entry + 2]];
    replies[frame] = { bytes: results.bytes.subarray(from, from + bytes), release: () => {} };
  }
  return new PooledLookup(names, { results, pool }, replies);
}
