// What a memory node's worker offers to a network card that reads and writes memory without the CPU.
import type { Handler, Inbox } from './handler.ts';
import type { WireError } from './reply.ts';

/** A part of the worker's slots that a remote ranker fills until it is released. */
export interface LentSlots {
  /** In the memory of `DirectHandler.slots`. */
  readonly bytes: Uint8Array;
  release(): void;
}

/** A worker that answers frames in the memory in which they arrived. */
export interface DirectHandler extends Handler {
  /** The worker's own memory for frames and replies. It exists once the worker is ready. */
  readonly slots: Uint8Array;
  /** Lends memory for frames that a card writes. Returns undefined if too little memory is free. */
  lend(bytes: number): LentSlots | undefined;
  /**
   * Admits the frame of `bytes` bytes that has arrived at byte `address`, in lent memory. A later write to these bytes
   * can change the answer to this frame, but nothing else.
   */
  admitAt(address: number, bytes: number): Inbox | WireError;
}
