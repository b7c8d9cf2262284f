// The results of one lookup in shared memory: the results, the replies that hold some of them, what these say of row updates, and
// a list of the replies.

import { AnsweredUpdates } from '../lookup/answered-updates.ts';
import { type HeldReply, PooledLookup, type PooledParts } from '../lookup/pooled.ts';
import type { BufferPool } from '../store/buffer-pool.ts';
import type { AskedFeatures } from './asked-features.ts';

/** Words of the list for a reply: number of its frame, where it is, and its bytes. */
const entryWords = 3;
/** At the end: number of replies, and of frames; words about updates, which are before the list. */
const tailWords = 3;

function align(bytes: number): number {
  return (bytes + 15) & ~15;
}

/** Bytes that the results take. */
export function resultsBytes({ results, replies, updates }: PooledParts): number {
  let bytes = align(results.length);
  let held = 0;
  for (const reply of replies) {
    if (reply === undefined) continue;
    bytes += align(reply.bytes.length);
    held++;
  }
  return bytes + (updates.length + held * entryWords + tailWords) * 4;
}

/** @param at a multiple of 16 */
export function writeResults(parts: PooledParts, memory: Uint8Array, at: number): void {
  const { results, replies, updates } = parts;
  const bytes = resultsBytes(parts);
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
  words[end + 2] = updates.length;
  if (updates.length > 0) words.set(updates, end - held * entryWords - updates.length);
}

/** Memory with results. It may be used again after `release`. */
export interface ResultsMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  release(): void;
}

/** The results that were written, where they are. @param results memory from the begin of the results to their end */
export function readResults(
  results: ResultsMemory,
  { names, tableOf }: AskedFeatures,
  pool: BufferPool,
): PooledLookup {
  const { buffer, byteOffset, length } = results.bytes;
  const words = new Uint32Array(buffer, byteOffset, length >>> 2);
  const end = words.length - tailWords;
  const replies: (HeldReply | undefined)[] = new Array(words[end + 1]);
  for (let i = 1; i <= words[end]; i++) {
    const entry = end - i * entryWords;
    const [frame, from, bytes] = [words[entry], words[entry + 1], words[entry + 2]];
    replies[frame] = { bytes: results.bytes.subarray(from, from + bytes), release: () => {} };
  }
  if (words[end + 2] === 0) return new PooledLookup(names, { results, pool }, replies);
  // They are copied: the memory of the results may be given back first.
  const last = end - words[end] * entryWords;
  const updates = new AnsweredUpdates(words.slice(last - words[end + 2], last), tableOf);
  return new PooledLookup(names, { results, pool }, replies, { updates });
}
