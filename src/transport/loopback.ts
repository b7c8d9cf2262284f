import { FlexemrError } from '../errors.ts';
import { unreadIdentity } from '../wire/frame-identity.ts';
import type { Handler } from '../wire/handler.ts';
import { FrameIds } from './frame-ids.ts';
import {
  type Exchange,
  type Outgoing,
  type Received,
  type Session,
  type Transport,
  unpooled,
} from './transport.ts';
import { unavailable } from './unavailable.ts';

/** Memory nodes in this process, by URL. Frames are written directly into the memory of the node. */
export class LoopbackTransport implements Transport {
  readonly name = 'loopback';
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #ids = new FrameIds();
  #bytesOut = 0;
  #bytesIn = 0;

  constructor(handlers: ReadonlyMap<string, Handler>) {
    this.#handlers = handlers;
  }

  session(url: string): Session {
    return { send: (outgoing) => this.#send(url, outgoing), close: async () => {} };
  }

  #send(url: string, outgoing: Outgoing): Exchange {
    let cancel = (): void => {};
    const reply = new Promise<Received>((resolve, reject) => {
      const handler = this.#handlers.get(url);
      if (handler === undefined) return reject(unavailable(url, 'is not in this process'));
      const inbox = handler.admit(outgoing.bytes);
      this.#bytesOut += outgoing.bytes;
      if ('code' in inbox) return resolve(unpooled(handler.refuse(unreadIdentity, inbox)));
      cancel = () => {
        inbox.release();
        reject(new FlexemrError('CANCELLED', `nobody waits for this subrequest of ${url} any more`));
      };
      const { buffer, byteOffset, length } = inbox.frame;
      const words = new Uint32Array(buffer, byteOffset, length >>> 2);
      outgoing.write(words, 0, this.#ids.next(outgoing), false);
      inbox.answer((answer) => {
        this.#bytesIn += answer.length;
        resolve(unpooled(Uint8Array.from(answer)));
        inbox.release();
      });
    });
    return { reply, cancel: async () => cancel() };
  }

  async describe(url: string): ReturnType<Transport['describe']> {
    const handler = this.#handlers.get(url);
    if (handler === undefined) throw unavailable(url, 'is not in this process');
    return handler.describe();
  }

  traffic(): ReturnType<Transport['traffic']> {
    return { bytesOut: this.#bytesOut, bytesIn: this.#bytesIn };
  }

  async close(): Promise<void> {}
}
