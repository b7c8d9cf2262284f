import type { DirectHandler, LentSlots } from '../../src/wire/direct.ts';
import type { FrameIdentity } from '../../src/wire/frame-identity.ts';
import type { Inbox, NodeDescription } from '../../src/wire/handler.ts';
import type { WireError } from '../../src/wire/reply.ts';

/** A subrequest that has arrived and is not answered yet. */
export interface Held {
  /** Whether the sender has stopped waiting for the answer. */
  readonly released: boolean;
  /** Passes the subrequest to the node. */
  pass(): void;
}

/** A handler in front of a node. It can hold subrequests until they are passed on, refuse them, or be not ready. */
export class Gate implements DirectHandler {
  /** The held subrequests, in the order of arrival. */
  held: Held[] = [];
  /** The next subrequests are refused with these errors, one for each. */
  refusals: WireError[] = [];
  ready = true;
  #closed = false;
  readonly #node: DirectHandler;

  constructor(node: DirectHandler) {
    this.#node = node;
  }

  /** Holds subrequests from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Passes on held and later subrequests. */
  open(): void {
    this.#closed = false;
    for (const held of this.held.splice(0)) held.pass();
  }

  /** Waits until `count` subrequests are held. */
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

  /** @param hold returns true if it holds the subrequest */
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
