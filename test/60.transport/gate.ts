import type { DirectHandler, LentSlots } from '../../src/wire/direct.ts';
import type { FrameIdentity } from '../../src/wire/frame-identity.ts';
import type { Inbox, NodeDescription } from '../../src/wire/handler.ts';
import type { WireError } from '../../src/wire/reply.ts';

/** A subrequest that has come, and is not answered yet. */
export interface Held {
  /** Whoever sent it does not wait any more. */
  readonly released: boolean;
  /** Lets the node answer it. */
  pass(): void;
}

/** Stands before a node: holds subrequests until they are let through, refuses them, or says it is not ready. */
export class Gate implements DirectHandler {
  /** Those that wait, in the order they came. */
  held: Held[] = [];
  /** Refuse so many before letting any through. */
  refusals: WireError[] = [];
  ready = true;
  #closed = false;
  readonly #node: DirectHandler;

  constructor(node: DirectHandler) {
    this.#node = node;
  }

  /** Subrequests are held from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Lets through what is held, and what comes. */
  open(): void {
    this.#closed = false;
    for (const held of this.held.splice(0)) held.pass();
  }

  /** Waits until `count` of them are held. */
  async holds(count: number): Promise<void> {
    while (this.held.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  admit(bytes: number): Inbox | WireError {
    return this.#gated(() => this.#node.admit(bytes));
  }

  get slots(): Uint8Array {
    return this.#node.slots;
  }

  lend(bytes: number): LentSlots | undefined {
    return this.#node.lend(bytes);
  }

  admitAt(address: number, bytes: number): Inbox | WireError {
    return this.#gated(() => this.#node.admitAt(address, bytes));
  }

  #gated(admit: () => Inbox | WireError): Inbox | WireError {
    const refusal = this.refusals.shift();
    if (refusal) return refusal;
    if (!this.ready) return { code: 'UNAVAILABLE', retryAfterMs: 1 };
    const inbox = admit();
    return 'code' in inbox
      ? inbox
      : new GatedInbox(inbox, (held) => this.#closed && this.held.push(held) > 0);
  }

  refuse(identity: FrameIdentity, error: WireError): Uint8Array {
    return this.#node.refuse(identity, error);
  }

  describe(): NodeDescription {
    return this.#node.describe();
  }

  lookupJson(body: unknown): Promise<unknown> {
    return this.#node.lookupJson(body);
  }
}

class GatedInbox implements Inbox, Held {
  readonly frame: Uint8Array;
  released = false;
  readonly #inbox: Inbox;
  readonly #hold: (held: Held) => boolean;
  #done: (reply: Uint8Array) => void = () => {};

  /** @param hold keeps it, if it is to be held */
  constructor(inbox: Inbox, hold: (held: Held) => boolean) {
    this.#inbox = inbox;
    this.frame = inbox.frame;
    this.#hold = hold;
  }

  answer(done: (reply: Uint8Array) => void): void {
    this.#done = done;
    if (!this.#hold(this)) this.pass();
  }

  pass(): void {
    if (!this.released) this.#inbox.answer(this.#done);
  }

  release(): void {
    this.released = true;
    this.#inbox.release();
  }
}
