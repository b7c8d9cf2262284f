// Our transports without pooling: they send frames and receive prepared replies.
import { HttpTransport } from '../../../src/transport/http.ts';
import { StreamTransport } from '../../../src/transport/stream.ts';
import type { Transport } from '../../../src/transport/transport.ts';
import {
  FRAME_BYTES,
  FRAME_ID,
  SUBREQUEST_MAGIC,
  SUBREQUEST_REPLY_CREDITS,
} from '../../../src/wire/layout.ts';
import { startChild } from '../child.ts';
import { requestBytesMax, type TransportUnderTest } from './transport-under-test.ts';

export const oursStream: TransportUnderTest = ours(
  'our stream',
  () => new StreamTransport(new HttpTransport()),
);
export const oursHttp: TransportUnderTest = ours('our http', () => new HttpTransport());

function ours(name: string, open: () => Transport): TransportUnderTest {
  return {
    name,
    ours: true,
    async start(leftovers) {
      const { child, pid, message } = await startChild<{ port: number }>(
        leftovers,
        `${import.meta.dirname}/ours-server.ts`,
      );
      const transport = open();
      const session = transport.session(`http://127.0.0.1:${message.port}`);
      const payload = new Uint32Array(requestBytesMax / 4);
      payload[0] = SUBREQUEST_MAGIC;
      payload[1] = 1;
      // The server need not wait for grants.
      payload[SUBREQUEST_REPLY_CREDITS >>> 2] = 1;
      return {
        serverPid: pid,
        async exchange(bytes, replyBytes) {
          const write = (words: Uint32Array, at: number, id: number): void => {
            payload[FRAME_BYTES >>> 2] = bytes;
            payload[FRAME_ID >>> 2] = id;
            words.set(payload.subarray(0, bytes >>> 2), at);
          };
          const { reply } = session.send({ bytes, replyBytes, replyBytesMax: replyBytes, write });
          const received = await reply;
          const { length } = received.bytes;
          received.release();
          if (length !== replyBytes) throw new Error(`the reply has ${length} bytes, not ${replyBytes}`);
        },
        async close() {
          await transport.close();
          await leftovers.end(child);
        },
      };
    },
  };
}
