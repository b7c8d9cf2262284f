import { ANSWER_INDEX_SCRATCH, ANSWER_SCRATCH } from './answer-layout.ts';
import type { Kernels } from './kernels.ts';
import { MORE, SCRATCH_BYTES } from './layout.ts';

/** Bytes of a list of `count` answers: the number of the next one, their number, and the addresses of their blocks. */
export function answerListBytes(count: number): number {
  return (2 + count) * 4;
}

/** Writes a list of answers to shared memory. */
export function writeAnswerList(words: Uint32Array, list: number, blocks: readonly number[]): void {
  words[list >>> 2] = 0;
  words[(list >>> 2) + 1] = blocks.length;
  words.set(blocks, (list >>> 2) + 2);
}

/**
 * Runs answers of a list, as long as there is one that no other thread has taken. A thread takes one by an atomic add.
 * @param scratch address of SCRATCH_BYTES + INDEX_SCRATCH_BYTES of this thread
 */
export function runAnswers(
  { kernels, words }: { readonly kernels: Kernels; readonly words: Uint32Array },
  list: number,
  scratch: number,
): void {
  const count = words[(list >>> 2) + 1];
  for (;;) {
    const next = Atomics.add(words, list >>> 2, 1);
    if (next >= count) return;
    const block = words[(list >>> 2) + 2 + next];
    words[(block + ANSWER_SCRATCH) >>> 2] = scratch;
    words[(block + ANSWER_INDEX_SCRATCH) >>> 2] = scratch + SCRATCH_BYTES;
    // A refused answer notes the reason in its block.
    while (kernels.answer(block, 0xffffffff) === MORE);
  }
}
