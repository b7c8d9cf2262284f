// undici with a server of node:http: in the usual way, and in the fastest way.
import { Client, type Dispatcher, Pool } from 'undici';
import { startChild } from '../child.ts';
import type { Leftovers } from '../leftovers.ts';
import { replyBytesMax, requestBytesMax, type TransportUnderTest } from './transport-under-test.ts';

const requestConnections = 8;

export const undiciRequest: TransportUnderTest = {
  name: 'undici request',
  async start(leftovers) {
    const { pid, origin, end } = await startEcho(leftovers);
    const pool = new Pool(origin, { connections: requestConnections });
    const payload = new Uint8Array(requestBytesMax);
    return {
      serverPid: pid,
      async exchange(requestBytes, replyBytes) {
        const body = payload.subarray(0, requestBytes);
        const reply = await pool.request({ path: `/${replyBytes}`, method: 'POST', body });
        const { byteLength } = await reply.body.arrayBuffer();
        if (byteLength !== replyBytes)
          throw new Error(`the reply has ${byteLength} bytes, not ${replyBytes}`);
      },
      async close() {
        await pool.close();
        await end();
      },
    };
  },
};

/** One connection with pipelining. undici pipelines POST only with both `idempotent: true` and `blocking: false`. */
export const undiciDispatch: TransportUnderTest = {
  name: 'undici dispatch',
  async start(leftovers, inFlight) {
    const { pid, origin, end } = await startEcho(leftovers);
    const client = new Client(origin, { pipelining: inFlight });
    const payload = new Uint8Array(requestBytesMax);
    const free = Array.from({ length: inFlight }, () => new ReplyBuffer());
    return {
      serverPid: pid,
      exchange(requestBytes, replyBytes) {
        const buffer = free.pop();
        if (!buffer) throw new Error(`more than ${inFlight} exchanges are in flight`);
        const body = payload.subarray(0, requestBytes);
        const options = {
          path: `/${replyBytes}`,
          method: 'POST',
          body,
          idempotent: true,
          blocking: false,
        } as const;
        return new Promise((resolve, reject) => {
          buffer.begin(replyBytes, (error) => {
            free.push(buffer);
            if (error) reject(error);
            else resolve();
          });
          client.dispatch(options, buffer);
        });
      },
      async close() {
        await client.close();
        await end();
      },
    };
  },
};

/** Receives one reply at a time into a buffer that is allocated once. */
class ReplyBuffer implements Dispatcher.DispatchHandler {
  readonly #bytes = new Uint8Array(replyBytesMax);
  #at = 0;
  #expected = 0;
  #done: (error?: Error) => void = () => {};

  begin(expected: number, done: (error?: Error) => void): void {
    this.#at = 0;
    this.#expected = expected;
    this.#done = done;
  }

  onRequestStart(): void {}

  onResponseStart(): void {}

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes.set(chunk, this.#at);
    this.#at += chunk.length;
  }

  onResponseEnd(): void {
    const [at, expected] = [this.#at, this.#expected];
    this.#done(at === expected ? undefined : new Error(`the reply has ${at} bytes, not ${expected}`));
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#done(error);
  }
}

async function startEcho(
  leftovers: Leftovers,
): Promise<{ pid: number; origin: string; end(): Promise<void> }> {
  const script = `${import.meta.dirname}/http-echo-server.ts`;
  const { child, pid, message } = await startChild<{ port: number }>(leftovers, script);
  return { pid, origin: `http://127.0.0.1:${message.port}`, end: () => leftovers.end(child) };
}
