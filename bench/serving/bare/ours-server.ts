// A process with our listener. Its handler has prepared all replies in advance.
import { Listener } from '../../../src/transport/listener.ts';
import { identityAt } from '../../../src/wire/frame-identity.ts';
import type { Handler, Inbox } from '../../../src/wire/handler.ts';
import { errorReply, writeReplyHeader, writeReplyLoad } from '../../../src/wire/reply.ts';
import { replyBytesMax, requestBytesMax, sizes } from './transport-under-test.ts';

const load = { requestCredits: 64, replyCredits: 64, queued: 0, busyUs: 0 };
const free: Slot[] = [];

/** Buffers for a frame and for its reply, whose contents are prepared in advance. */
class Slot {
  readonly #request = new Uint8Array(requestBytesMax);
  readonly #replies = new Map(
    sizes.map(({ requestBytes, replyBytes }) => [requestBytes, new Uint32Array(replyBytes / 4)]),
  );

  inbox(bytes: number): Inbox {
    const frame = this.#request.subarray(0, bytes);
    return {
      frame,
      answer: (done) => {
        const reply = this.#replies.get(bytes) ?? new Uint32Array(replyBytesMax / 4);
        const identity = identityAt(new Uint32Array(frame.buffer), 0);
        writeReplyHeader(reply, 0, identity, { bytes: reply.byteLength, exceptions: 0 });
        writeReplyLoad(reply, 0, load);
        done(new Uint8Array(reply.buffer));
      },
      release: () => free.push(this),
    };
  }
}

const handler: Handler = {
  ready: true,
  admit: (bytes) => (free.pop() ?? new Slot()).inbox(bytes),
  refuse: (identity, error) => errorReply(identity, error, load),
  describe: () => {
    throw new Error('the echo server has no tables');
  },
  lookupJson: async () => {
    throw new Error('the echo server does not support lookups');
  },
};
const { port } = await Listener.open(handler, { host: '127.0.0.1', port: 0 });
process.send?.({ port });
process.once('disconnect', () => process.exit());
