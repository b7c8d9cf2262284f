import { retryAfterMsDefault, subrequestMsMax } from '../limits.ts';
import { answerableIdentity, type FrameIdentity, hasChecksum } from '../wire/frame-identity.ts';
import type { Inbox } from '../wire/handler.ts';
import { FRAME_CHECKSUM } from '../wire/layout.ts';
import type { WireError } from '../wire/reply.ts';
import type { Answering } from './answer.ts';
import type { AnswerSpan } from './answer-span.ts';
import { FrameChecksum } from './frame-checksum.ts';
import type { FrameHead } from './frame-head.ts';
import type { RowsGate } from './rows-gate.ts';
import type { ServedRelease } from './served-release.ts';
import type { WorkerArena } from './worker-arena.ts';

/** The code that admitted a subrequest. It is told when the state of the subrequest changes. */
export interface SubrequestOwner {
  /** The frame has arrived completely. */
  accept(held: HeldSubrequest): void;
  /** Its slots are free again. */
  closed(held: HeldSubrequest): void;
}

/** Its sender has left, or was too slow to send all of it. */
const unanswered: WireError = { code: 'CANCELLED' };

/** Rows are being written for unusually long. */
const writing: WireError = { code: 'UNAVAILABLE', retryAfterMs: retryAfterMsDefault };

/** An admitted subrequest. Until it is released, it holds a slot for its frame and then one for its answer. */
export class HeldSubrequest implements Inbox {
  readonly address: number;
  readonly bytes: number;
  /** The answer in progress. Undefined before it begins, and after `release`. */
  work: Answering | undefined;
  /** Approximate number of bytes that pooling reads. It decides whether the subrequest is answered at once. */
  weight = 0;
  /** `performance.now()` when its frame was complete. */
  arrived = 0;
  /** `performance.now()` by which it must be answered. */
  deadline = 0;
  busyUs = 0;
  /** Undefined if nothing is traced. */
  readonly span: AnswerSpan | undefined;
  /** The arena that its frame is in. */
  readonly arena: WorkerArena;
  /** The release whose rows it uses. Undefined until its answer begins. */
  served: ServedRelease | undefined;
  readonly #owner: SubrequestOwner;
  /** A copy of the header and the entries, if the memory of the frame is not freed with this subrequest. */
  readonly #head: FrameHead | undefined;
  #done: ((reply: Uint8Array) => void) | undefined;
  #frame: Uint8Array | undefined;
  #released = false;
  #checksum: FrameChecksum | undefined;
  #checked = false;
  /** The gate that was told that this answer keeps where rows are. */
  #kept: RowsGate | undefined;

  /** @param head given if `release` must not free the frame itself: a copy of its head, which `release` frees */
  constructor(
    arena: WorkerArena,
    address: number,
    bytes: number,
    owner: SubrequestOwner,
    span: AnswerSpan | undefined,
    head?: FrameHead,
  ) {
    this.arena = arena;
    this.#owner = owner;
    this.#head = head;
    this.span = span;
    this.address = address;
    this.bytes = bytes;
  }

  /** The memory that its bytes are written to. Not needed if they are already there. */
  get frame(): Uint8Array {
    this.#frame ??= this.arena.bytes.subarray(this.address, this.address + this.bytes);
    return this.#frame;
  }

  /** Address of its header and entries. */
  get head(): number {
    return this.#head?.address ?? this.address;
  }

  get identity(): FrameIdentity {
    return answerableIdentity(this.arena.words, this.head >>> 2);
  }

  /** Whether its frame carries a checksum that was not compared yet. */
  get isUnchecked(): boolean {
    return !this.#checked && !this.#released && hasChecksum(this.arena.words, this.head >>> 2);
  }

  /** Checks about `bytes` more bytes. @returns whether the whole checksum was compared, or the error if it differs */
  check(bytes: number): boolean | WireError {
    this.#checksum ??= new FrameChecksum(this.arena, this.address);
    if (!this.#checksum.finish(this.address + this.bytes, bytes)) return false;
    this.#checked = true;
    const value = this.arena.words[(this.head + FRAME_CHECKSUM) >>> 2];
    if (this.#checksum.end() === value) return true;
    return { code: 'INVALID_FRAME', position: FRAME_CHECKSUM, value };
  }

  /** Whether the frame has arrived completely. */
  get whole(): boolean {
    return this.#done !== undefined;
  }

  answer(done: (reply: Uint8Array) => void): void {
    this.#done = done;
    this.arrived = performance.now();
    this.#owner.accept(this);
  }

  /** Begins its answer. The deadline is `timeLeftUs` (0: no limit), and at most `subrequestMsMax`, after its arrival. */
  begin(served: ServedRelease, work: Answering, weight: number, timeLeftUs: number): void {
    this.served = served;
    this.weight = weight;
    const ms = timeLeftUs === 0 ? subrequestMsMax : Math.min(subrequestMsMax, timeLeftUs / 1000);
    this.work = work;
    this.deadline = this.arrived + ms;
  }

  /** Runs one slice of its answer, and nobody writes rows meanwhile. @returns as Answering.step */
  step(work: Answering, sliceBytes: number, gate: RowsGate | undefined): boolean | WireError {
    if (gate === undefined) return work.step(sliceBytes);
    if (!gate.enter()) return writing;
    try {
      const outcome = work.step(sliceBytes);
      if (outcome !== false) this.#forget();
      else if (this.#kept === undefined) {
        this.#kept = gate;
        gate.keep();
      }
      return outcome;
    } finally {
      gate.leave();
    }
  }

  #forget(): void {
    this.#kept?.forget();
    this.#kept = undefined;
  }

  /** Passes the reply to the caller of `answer`. @param error what it says */
  finish(reply: Uint8Array, error?: WireError): void {
    this.span?.end(error);
    this.#done?.(reply);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#forget();
    this.work?.close();
    this.work = undefined;
    this.span?.end(unanswered);
    const { address, bytes } = this.#head ?? this;
    this.arena.slots.free(address, bytes);
    this.#owner.closed(this);
  }
}
