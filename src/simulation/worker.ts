import { unfinishedSubrequestsMax, workerSubrequestsMax } from '../limits.ts';
import type { MemoryNode } from '../memory-node/memory-node.ts';
import { overloaded } from '../memory-node/places.ts';
import type { FrameIdentity } from '../wire/frame-identity.ts';
import type { Handler, Inbox, NodeDescription } from '../wire/handler.ts';
import { Reply, type WireError } from '../wire/reply.ts';

/** How a node is. Its workers look at it. */
export interface Health {
  /** Replies wait so long. */
  replyMs(): number;
  /** It refuses all subrequests. */
  full: boolean;
  /** Hears of each subrequest before it is answered. */
  onSubrequest?(): void;
  /** Hears of each refusal for want of space. */
  onOverload(): void;
}

/** A worker of a memory node that may be slow or full. */
export class SimulatedWorker implements Handler {
  readonly node: MemoryNode;
  readonly #health: Health;
  readonly #fold: (frame: Uint8Array) => void;

  /** @param fold changes each frame before it is answered */
  constructor(node: MemoryNode, health: Health, fold: (frame: Uint8Array) => void = () => {}) {
    this.node = node;
    this.#health = health;
    this.#fold = fold;
  }

  admit(bytes: number): Inbox | WireError {
    const given = this.#health.full ? overloaded : this.node.admit(bytes);
    const { held } = this.node.stats;
    if (held > workerSubrequestsMax + unfinishedSubrequestsMax)
      throw new Error(`a worker holds ${held} subrequests`);
    if (!('code' in given)) return new SlowInbox(given, this.#health, this.#fold);
    if (given.code === 'OVERLOADED') this.#health.onOverload();
    return given;
  }

  refuse(identity: FrameIdentity, error: WireError): Uint8Array {
    return this.node.refuse(identity, error);
  }

  get ready(): boolean {
    return this.node.ready;
  }

  describe(): NodeDescription {
    return this.node.describe();
  }

  lookupJson: Handler['lookupJson'] = (body, slices, trace) => this.node.lookupJson(body, slices, trace);
}

class SlowInbox implements Inbox {
  readonly #inner: Inbox;
  readonly #health: Health;
  readonly #fold: (frame: Uint8Array) => void;
  #released = false;

  constructor(inner: Inbox, health: Health, fold: (frame: Uint8Array) => void) {
    this.#inner = inner;
    this.#health = health;
    this.#fold = fold;
  }

  get frame(): Uint8Array {
    return this.#inner.frame;
  }

  answer(done: (reply: Uint8Array) => void): void {
    this.#fold(this.frame);
    this.#health.onSubrequest?.();
    this.#inner.answer((reply) => {
      // It was admitted, but there is no space for its answer.
      if (new Reply(reply, () => {}).error?.code === 'OVERLOADED') this.#health.onOverload();
      const ms = this.#health.replyMs();
      if (ms === 0) done(reply);
      else setTimeout(() => !this.#released && done(reply), ms);
    });
  }

  release(): void {
    if (this.#released) throw new Error('the memory of a subrequest was released twice');
    this.#released = true;
    this.#inner.release();
  }
}
