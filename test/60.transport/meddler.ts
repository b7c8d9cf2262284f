import type { FrameIdentity } from '../../src/wire/frame-identity.ts';
import type { Handler, Inbox, NodeDescription } from '../../src/wire/handler.ts';
import type { WireError } from '../../src/wire/reply.ts';

/** A handler in front of a node that changes frames: subrequests in place, replies when they are sent. */
export class Meddler implements Handler {
  subrequest: (frame: Uint8Array) => void = () => {};
  reply: (frame: Uint8Array) => Uint8Array = (frame) => frame;
  readonly #node: Handler;

  constructor(node: Handler) {
    this.#node = node;
  }

  admit(bytes: number): Inbox | WireError {
    const inbox = this.#node.admit(bytes);
    if ('code' in inbox) return inbox;
    return {
      frame: inbox.frame,
      answer: (done) => {
        this.subrequest(inbox.frame);
        inbox.answer((reply) => done(this.reply(Uint8Array.from(reply))));
      },
      release: () => inbox.release(),
    };
  }

  get ready(): boolean {
    return this.#node.ready;
  }

  refuse(identity: FrameIdentity, error: WireError): Uint8Array {
    return this.reply(this.#node.refuse(identity, error));
  }

  describe(): NodeDescription {
    return this.#node.describe();
  }

  lookupJson(body: unknown): Promise<unknown> {
    return this.#node.lookupJson(body);
  }
}
