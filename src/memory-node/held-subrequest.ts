import { subrequestMsMax } from '../limits.ts';
import { answerableIdentity, type FrameIdentity, hasChecksum } from '../wire/frame-identity.ts';
import type { Inbox } from '../wire/handler.ts';
import { FRAME_CHECKSUM } from '../wire/layout.ts';
import type { WireError } from '../wire/reply.ts';
import type { Answering } from './answer.ts';
import { FrameChecksum } from './frame-checksum.ts';
import type { FrameHead } from './frame-head.ts';
import type { WorkerArena } from './worker-arena.ts';

/** What becomes of a subrequest: whoever admitted it wants to know. */
export interface SubrequestOwner {
  /** Its frame is whole. */
  accept(held: HeldSubrequest): void;
  /** Its slots are free again. */
  closed(held: HeldSubrequest): void;
}

/** A subrequest that was admitted: a slot with its frame, then one with its answer, until it is released. */
export class HeldSubrequest implements Inbox {
  readonly address: number;
  readonly bytes: number;
  /** The answer under way; undefined before, and once nobody waits for it. */
  work: Answering | undefined;
  /** About how many bytes pooling it goes through: what decides whether it is done at once. */
  weight = 0;
  /** `performance.now()` when there was room for its answer. */
  begun = 0;
  /** `performance.now()` by which it must be answered. */
  deadline = 0;
  busyUs = 0;
  readonly #arena: WorkerArena;
  readonly #owner: SubrequestOwner;
  /** Of a frame that came by itself, to room that is not given back with it. */
  readonly #head: FrameHead | undefined;
  #done: ((reply: Uint8Array) => void) | undefined;
  #frame: Uint8Array | undefined;
  #released = false;
  #checksum: FrameChecksum | undefined;
  #checked = false;

  /** @param head of a frame that lies in somebody else's room: a copy, given back with this */
  constructor(arena: WorkerArena, address: number, bytes: number, owner: SubrequestOwner, head?: FrameHead) {
    this.#arena = arena;
    this.#owner = owner;
    this.#head = head;
    this.address = address;
    this.bytes = bytes;
  }

  /** Where its bytes go; of no use to who has them there already. */
  get frame(): Uint8Array {
    this.#frame ??= this.#arena.bytes.subarray(this.address, this.address + this.bytes);
    return this.#frame;
  }

  /** Where its header and entries are. */
  get head(): number {
    return this.#head?.address ?? this.address;
  }

  get identity(): FrameIdentity {
    return answerableIdentity(this.#arena.words, this.head >>> 2);
  }

  /** Whether its frame carries a checksum that was not compared yet. */
  get isUnchecked(): boolean {
    return !this.#checked && !this.#released && hasChecksum(this.#arena.words, this.head >>> 2);
  }

  /** Goes on to compare its checksum, for `bytes` bytes. @returns whether it is compared, or that it differs */
  check(bytes: number): boolean | WireError {
    this.#checksum ??= new FrameChecksum(this.#arena, this.address);
    if (!this.#checksum.finish(this.address + this.bytes, bytes)) return false;
    this.#checked = true;
    const value = this.#arena.words[(this.head + FRAME_CHECKSUM) >>> 2];
    if (this.#checksum.end() === value) return true;
    return { code: 'INVALID_FRAME', position: FRAME_CHECKSUM, value };
  }

  /** Its frame has come. */
  get whole(): boolean {
    return this.#done !== undefined;
  }

  answer(done: (reply: Uint8Array) => void): void {
    this.#done = done;
    this.#owner.accept(this);
  }

  /** Its answer has room, and until `timeLeftUs` from now (0: the node's own bound) to be made. */
  begin(work: Answering, weight: number, timeLeftUs: number): void {
    this.weight = weight;
    const ms = timeLeftUs === 0 ? subrequestMsMax : Math.min(subrequestMsMax, timeLeftUs / 1000);
    this.work = work;
    this.begun = performance.now();
    this.deadline = this.begun + ms;
  }

  /** Hands the reply to whoever brought the frame. */
  finish(reply: Uint8Array): void {
    this.#done?.(reply);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.work?.close();
    this.work = undefined;
    const { address, bytes } = this.#head ?? this;
    this.#arena.slots.free(address, bytes);
    this.#owner.closed(this);
  }
}
