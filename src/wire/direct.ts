// What a network card that reads and writes memory by itself needs of a memory node's worker.
import type { Handler, Inbox } from './handler.ts';
import type { WireError } from './reply.ts';

/** A part of the worker's slots that is somebody else's to fill, until it is given back. */
export interface LentSlots {
  /** In the memory of `DirectHandler.slots`. */
  readonly bytes: Uint8Array;
  release(): void;
}

/** A worker that answers frames where they lie. */
export interface DirectHandler extends Handler {
  /** The memory that frames arrive in and replies leave from, as far as it is the worker's own; once it is ready. */
  readonly slots: Uint8Array;
  /** Room for frames that come by themselves; undefined where there is none. */
  lend(bytes: number): LentSlots | undefined;
  /**
   * Takes in the frame of `bytes` bytes that has come to byte `address` of the memory, in lent room. What is written there
   * afterwards may spoil its answer, and nothing else.
   */
  admitAt(address: number, bytes: number): Inbox | WireError;
}
