import type { Socket } from 'node:net';
import {
  connectMsMax,
  receiveBufferBytes,
  sendBufferBytes,
  sendBufferBytesMin,
  subrequestMsMax,
} from '../limits.ts';
import type { BufferPool } from '../store/buffer-pool.ts';
import { CREDIT_DROP, CREDIT_GRANT, HEADER_BYTES } from '../wire/layout.ts';
import { CreditConnection } from './credit-connection.ts';
import { askCredits, dial, readUpgrade, type Upgraded, upgradeRequest } from './dial.ts';
import { FrameIds } from './frame-ids.ts';
import { FrameReader } from './frame-reader.ts';
import { expectEnd } from './late-replies.ts';
import type { ClientSecurity } from './security.ts';
import { type Exchange, isTls, type Outgoing, type Received, type Traffic, unwanted } from './transport.ts';
import { unauthorized, unavailable } from './unavailable.ts';

interface Waiting {
  /** Length of the longest valid reply. */
  readonly replyBytesMax: number;
  readonly resolve: (reply: Received) => void;
  readonly reject: (error: Error) => void;
  /** Whether somebody waits for the reply. If not, it is dropped when it arrives. */
  readonly awaited: boolean;
  /** The worker may not send the reply yet, only an error. */
  held: boolean;
}

/** The worker answers HTTP but does not offer streams: it is old, or a proxy does not pass them on. */
export class NotAStream extends Error {}

const notAReply = 'sent data that is not a reply';

/** One framed stream to a worker, over an HTTP/1.1 Upgrade. Frames are sent together; replies arrive in any order. */
export class StreamConnection {
  readonly #url: URL;
  readonly #security: ClientSecurity;
  /** Nothing detects bits that change on the way, because the connection does not use TLS. */
  readonly #exposed: boolean;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  /** How many of `#waiting` somebody waits for. If it is 0, the connection does not keep the process alive. */
  #awaited = 0;
  readonly #reader: FrameReader;
  readonly #closed: Promise<void>;
  #upgrade: Buffer | undefined = Buffer.alloc(0);
  /** It grows with what is sent together, because a ranker may have thousands of connections. */
  #send: Uint32Array = new Uint32Array(sendBufferBytesMin >>> 2);
  #sendFilled = 0;
  #flushing = false;
  readonly #ids = new FrameIds();
  /** Undefined if the worker takes none. */
  #credits: CreditConnection | undefined;
  #error: Error | undefined;
  #onTried: () => void = () => {};
  /** Resolves when the worker has answered the Upgrade, or the connection has failed. */
  readonly tried: Promise<void> = new Promise((resolve) => {
    this.#onTried = resolve;
  });

  /**
   * @param replies memory for replies
   * @param fixed the buffer for reads. Connections share it: whatever one read returns is taken before the next read
   */
  constructor(url: string, security: ClientSecurity, replies: BufferPool, fixed: Uint8Array) {
    this.#url = new URL(url);
    this.#security = security;
    this.#exposed = !isTls(url);
    const bytesMax = (id: number): number => {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) return 0;
      return waiting.held ? HEADER_BYTES : waiting.replyBytesMax;
    };
    const isWanted = (id: number): boolean => this.#waiting.get(id)?.awaited === true;
    this.#reader = new FrameReader(fixed, replies, bytesMax, isWanted, (id, reply) =>
      this.#settle(id, reply),
    );
    let first = true;
    const buffer = (): Uint8Array | undefined => {
      if (!first) return this.#reader.next();
      first = false;
      return fixed;
    };
    // Node.js takes `undefined` as "the same buffer as before", but its types do not allow that.
    const onread = {
      buffer: buffer as () => Uint8Array,
      callback: (bytes: number) => this.#read(fixed, bytes),
    };
    this.#socket = dial(this.#url, security, onread);
    this.#socket.on('error', (error) =>
      this.#fail(unavailable(this.#url.origin, 'cannot be reached', error)),
    );
    this.#closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.#fail(unavailable(this.#url.origin, 'closed the connection'));
        resolve();
      });
    });
    this.#socket.setTimeout(connectMsMax);
    this.#socket.on('timeout', () => {
      if (this.#upgrade !== undefined || this.#waiting.size > 0)
        this.#fail(unavailable(this.#url.origin, 'does not answer'));
    });
    this.#socket.write(upgradeRequest(this.#url, security.token, askCredits));
  }

  /** Why the connection cannot be used any more. Undefined if it can. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Whether the worker has answered that it offers streams. */
  get isUpgraded(): boolean {
    return this.#upgrade === undefined;
  }

  /** Whether the worker keeps replies until they are granted. */
  get takesCredits(): boolean {
    return this.#credits !== undefined && this.#error === undefined;
  }

  get traffic(): Traffic {
    const { bytesOut = 0, bytesIn = 0 } = this.#credits?.traffic ?? {};
    return { bytesOut: this.#socket.bytesWritten + bytesOut, bytesIn: this.#socket.bytesRead + bytesIn };
  }

  /** @param held the reply must wait for its grant */
  send(outgoing: Outgoing, held: boolean): Exchange {
    const id = this.#ids.next(outgoing);
    const { replyBytesMax } = outgoing;
    const reply = new Promise<Received>((resolve, reject) => {
      if (this.#error) reject(this.#error);
      else this.#waiting.set(id, { resolve, reject, replyBytesMax, awaited: true, held });
    });
    if (!this.#error) {
      if (this.#awaited++ === 0) this.#socket.ref();
      if (held) this.#credits?.open();
      this.#write(outgoing, id, held);
    }
    const cancel = (): Promise<void> => this.#cancel(id);
    const dropsReply = true;
    return held ? { reply, dropsReply, grant: () => this.#grant(id), cancel } : { reply, dropsReply, cancel };
  }

  #grant(id: number): void {
    const waiting = this.#waiting.get(id);
    if (!waiting?.held) return;
    waiting.held = false;
    this.#credits?.send(id, CREDIT_GRANT);
  }

  #write(outgoing: Outgoing, id: number, held: boolean): void {
    const words = outgoing.bytes >>> 2;
    if (this.#sendFilled + words > this.#send.length) this.#makeRoom(words);
    if (words > this.#send.length) {
      const own = new Uint32Array(words);
      outgoing.write(own, 0, id, this.#exposed, held);
      this.#socket.write(new Uint8Array(own.buffer));
      return;
    }
    outgoing.write(this.#send, this.#sendFilled, id, this.#exposed, held);
    this.#sendFilled += words;
    if (this.#flushing) return;
    this.#flushing = true;
    // This runs after the promises that the current replies settle, so that everything they send leaves together.
    process.nextTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** Sends what is in the buffer. A larger one takes its place, if there may be one. */
  #makeRoom(words: number): void {
    this.#flush();
    const larger = Math.min(sendBufferBytes >>> 2, Math.max(2 * this.#send.length, 2 * words));
    if (larger > this.#send.length) this.#send = new Uint32Array(larger);
  }

  #flush(): void {
    if (this.#sendFilled === 0 || this.#error) return;
    this.#socket.write(new Uint8Array(this.#send.buffer, 0, this.#sendFilled << 2));
    // The buffer can be reused only if the system has taken all of it. Otherwise, the socket still needs it.
    if (this.#socket.writableLength > 0) this.#send = new Uint32Array(this.#send.length);
    this.#sendFilled = 0;
  }

  #read(fixed: Uint8Array, bytes: number): boolean {
    if (this.#upgrade !== undefined) this.#takeUpgrade(Buffer.from(fixed.subarray(0, bytes)));
    else if (!this.#reader.read(bytes)) this.#refuse(notAReply);
    return true;
  }

  /** Takes the answer to the Upgrade, and perhaps the first frames after it. */
  #takeUpgrade(bytes: Buffer): void {
    this.#upgrade = Buffer.concat([this.#upgrade ?? Buffer.alloc(0), bytes]);
    const answer = readUpgrade(this.#upgrade);
    if (answer?.code === 101) this.#begin(answer);
    else if (answer?.code === 401) this.#fail(unauthorized(this.#url.origin));
    else if (answer?.code === 503) this.#fail(unavailable(this.#url.origin, 'is starting or draining'));
    else if (answer !== undefined)
      this.#fail(new NotAStream(`${this.#url.origin} answers an Upgrade with "${answer.line}"`));
    else if (this.#upgrade.length > receiveBufferBytes) this.#refuse('sent an HTTP header that does not end');
  }

  #begin({ credits, rest }: Upgraded): void {
    this.#upgrade = undefined;
    this.#onTried();
    // A worker answers before that, at least with DEADLINE_EXCEEDED.
    this.#socket.setTimeout(subrequestMsMax + connectMsMax);
    if (credits !== undefined)
      this.#credits = new CreditConnection(this.#url, this.#security, credits, (error) => this.#fail(error));
    if (!this.#reader.take(rest)) this.#refuse(notAReply);
  }

  #settle(id: number, reply: Received): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.#credits?.settled(id);
    if (waiting?.awaited) this.#unawait();
    if (waiting) waiting.resolve(reply);
    // Nobody waits for it any more.
    else reply.release();
  }

  #unawait(): void {
    if (--this.#awaited === 0) this.#socket.unref();
  }

  #cancel(id: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) resolve();
    else {
      const late = (reply: Received): void => {
        reply.release();
        resolve();
      };
      const { replyBytesMax, held } = waiting;
      this.#waiting.set(id, { resolve: late, reject: () => resolve(), replyBytesMax, awaited: false, held });
      if (held) this.#credits?.send(id, CREDIT_DROP);
      if (waiting.awaited) this.#unawait();
      // A frame that has begun but does not end would block all frames after it.
      const { frames } = this.#reader;
      expectEnd(
        () => (this.#reader.frames === frames ? this.#reader.begun : undefined),
        () => this.#refuse('does not end its reply'),
      );
      waiting.reject(unwanted());
    }
    return promise;
  }

  #refuse(problem: string): void {
    this.#fail(unavailable(this.#url.origin, problem));
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#onTried();
    for (const { reject } of this.#waiting.values()) reject(this.#error);
    this.#waiting.clear();
    this.#credits?.close();
    this.#socket.destroy();
  }

  async close(): Promise<void> {
    this.#fail(unavailable(this.#url.origin, 'was disconnected by this ranker'));
    await this.#closed;
  }
}
