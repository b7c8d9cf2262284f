import * as layout from '../kernel/answer-layout.ts';
import { DONE, MORE } from '../kernel/layout.ts';
import { hasChecksum } from '../wire/frame-identity.ts';
import { FRAME_CHECKSUM } from '../wire/layout.ts';
import { type ReplyLoad, type WireError, writeReplyLoad } from '../wire/reply.ts';
import { codeOf } from '../wire/status.ts';
import { FrameChecksum } from './frame-checksum.ts';
import type { AnswerMemory } from './worker-arena.ts';

/** An answer in progress. It pools slice by slice; its reply then stays in memory until `close`. */
export interface Answering {
  /** Pools one slice. @returns true if all is done, false if more slices are needed, or the error */
  step(sliceBytes: number): boolean | WireError;
  /** The reply. Only valid after `step` has returned true. */
  reply(load: ReplyLoad): Uint8Array;
  /** Frees its slots. */
  close(): void;
}

/** The answer to a frame whose rows are all in the arena of the frame. The kernel does everything. */
export class Answer implements Answering {
  readonly #arena: AnswerMemory;
  readonly #slot: number;
  readonly #slotBytes: number;
  #pooled = false;
  /** The checksum of the reply; undefined if the reply carries none. */
  readonly #checksum: FrameChecksum | undefined;

  /** @param slot an opened answer (kernel/answer-layout.ts), followed by space for its reply and its work memory */
  constructor(arena: AnswerMemory, slot: number, slotBytes: number) {
    this.#arena = arena;
    this.#slot = slot;
    this.#slotBytes = slotBytes;
    if (hasChecksum(arena.words, this.at(layout.ANSWER_HEAD) >>> 2))
      this.#checksum = new FrameChecksum(arena, this.at(layout.ANSWER_REPLY));
  }

  step(sliceBytes: number): boolean | WireError {
    if (!this.#pooled) {
      const status = this.#arena.kernels.answer(this.#slot, sliceBytes);
      if (status === MORE) {
        this.#checksum?.addWritten(this.at(layout.ANSWER_VALUES));
        return false;
      }
      if (status !== DONE) return wireErrorOf(this.#arena, this.#slot);
      this.#pooled = true;
    }
    const end = this.at(layout.ANSWER_REPLY) + this.#replyBytes;
    return this.#checksum?.finish(end, sliceBytes) ?? true;
  }

  get #replyBytes(): number {
    return this.at(layout.ANSWER_REPLY_BYTES) + this.at(layout.ANSWER_EXCEPTIONS) * 4;
  }

  reply(load: ReplyLoad): Uint8Array {
    const { words, bytes } = this.#arena;
    const reply = this.at(layout.ANSWER_REPLY);
    writeReplyLoad(words, reply >>> 2, load);
    if (this.#checksum) words[(reply + FRAME_CHECKSUM) >>> 2] = this.#checksum.end();
    return bytes.subarray(reply, reply + this.#replyBytes);
  }

  /** Why the kernel refused it, if it did. */
  get error(): WireError | undefined {
    return this.at(layout.ANSWER_STATUS) === 0 ? undefined : wireErrorOf(this.#arena, this.#slot);
  }

  /** The address of its block. */
  get block(): number {
    return this.#slot;
  }

  /** A field of its block. */
  at(field: number): number {
    return this.#arena.words[(this.#slot + field) >>> 2];
  }

  close(): void {
    this.#arena.slots.free(this.#slot, this.#slotBytes);
  }
}

/** The reason why the answer of a block was refused. */
export function wireErrorOf({ words }: Pick<AnswerMemory, 'words'>, block: number): WireError {
  const at = (field: number): number => words[(block + field) >>> 2];
  return {
    code: codeOf(at(layout.ANSWER_STATUS)),
    segment: at(layout.ANSWER_ERROR_SEGMENT),
    position: at(layout.ANSWER_ERROR_POSITION),
    value: (BigInt(at(layout.ANSWER_ERROR_VALUE + 4)) << 32n) | BigInt(at(layout.ANSWER_ERROR_VALUE)),
  };
}
