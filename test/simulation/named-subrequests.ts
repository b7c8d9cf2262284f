// A worker of a memory node that may be slow, and a count of the subrequests that name each release.
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import type { FrameIdentity } from '../../src/wire/frame-identity.ts';
import type { Handler, Inbox, NodeDescription } from '../../src/wire/handler.ts';
import { SUBREQUEST_PLAN } from '../../src/wire/layout.ts';
import type { WireError } from '../../src/wire/reply.ts';

export class NamedSubrequests implements Handler {
  readonly #node: MemoryNode;
  readonly #replyMs: () => number;
  readonly #counts = new Map<string, number>();

  constructor(node: MemoryNode, replyMs: () => number) {
    this.#node = node;
    this.#replyMs = replyMs;
  }

  /** Subrequests that name a release, and whose replies have not left. */
  count(plan: string): number {
    return this.#counts.get(plan) ?? 0;
  }

  add(plan: string, by: number): void {
    this.#counts.set(plan, this.count(plan) + by);
  }

  admit(bytes: number): Inbox | WireError {
    const given = this.#node.admit(bytes);
    return 'code' in given ? given : new NamedInbox(given, this, this.#replyMs());
  }

  /** Whether it serves a release. */
  serves(plan: string): boolean {
    return this.describe().releases?.some((each) => each.plan === plan && each.state === 'ready') ?? false;
  }

  refuse(identity: FrameIdentity, error: WireError): Uint8Array {
    return this.#node.refuse(identity, error);
  }

  get ready(): boolean {
    return this.#node.ready;
  }

  describe(): NodeDescription {
    return this.#node.describe();
  }

  lookupJson: Handler['lookupJson'] = (body, slices, trace) => this.#node.lookupJson(body, slices, trace);
}

class NamedInbox implements Inbox {
  readonly #inner: Inbox;
  readonly #of: NamedSubrequests;
  readonly #replyMs: number;
  #plan: string | undefined;
  #released = false;

  constructor(inner: Inbox, of: NamedSubrequests, replyMs: number) {
    this.#inner = inner;
    this.#of = of;
    this.#replyMs = replyMs;
  }

  get frame(): Uint8Array {
    return this.#inner.frame;
  }

  answer(done: (reply: Uint8Array) => void): void {
    const { buffer, byteOffset } = this.frame;
    const plan = new DataView(buffer, byteOffset).getBigUint64(SUBREQUEST_PLAN, true);
    const name = plan.toString(16).padStart(16, '0');
    // One that is not served is refused at once.
    if (this.#of.serves(name)) {
      this.#plan = name;
      this.#of.add(name, 1);
    }
    this.#inner.answer((reply) => {
      if (this.#replyMs === 0) done(reply);
      else setTimeout(() => !this.#released && done(reply), this.#replyMs);
    });
  }

  release(): void {
    this.#released = true;
    this.#inner.release();
    if (this.#plan !== undefined) this.#of.add(this.#plan, -1);
  }
}
