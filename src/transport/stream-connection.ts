import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FlexemrError } from '../errors.ts';
import {
  connectMsMax,
  receiveBufferBytes,
  sendBufferBytes,
  sendBufferBytesMin,
  subrequestMsMax,
} from '../limits.ts';
import type { BufferPool } from '../store/buffer-pool.ts';
import { FrameIds } from './frame-ids.ts';
import { FrameReader } from './frame-reader.ts';
import { expectEnd } from './late-replies.ts';
import type { ClientSecurity } from './security.ts';
import { type Exchange, isTls, type Outgoing, type Received } from './transport.ts';
import { unauthorized, unavailable } from './unavailable.ts';

interface Waiting {
  /** Length of the longest valid reply. */
  readonly replyBytesMax: number;
  readonly resolve: (reply: Received) => void;
  readonly reject: (error: Error) => void;
  /** Whether somebody waits for the reply. If not, it is dropped when it arrives. */
  readonly awaited: boolean;
}

/** The worker answers HTTP but does not offer streams: it is old, or a proxy does not pass them on. */
export class NotAStream extends Error {}

const endOfHeader = Buffer.from('\r\n\r\n');

const notAReply = 'sent data that is not a reply';

/** Ports of addresses that do not name one. */
const httpPort = 80;
const httpsPort = 443;

/** One framed stream to a worker, over an HTTP/1.1 Upgrade. Frames are sent together; replies arrive in any order. */
export class StreamConnection {
  readonly #url: URL;
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
  #error: Error | undefined;

  /**
   * @param replies memory for replies
   * @param fixed the buffer for reads. Connections share it: whatever one read returns is taken before the next read
   */
  constructor(url: string, security: ClientSecurity, replies: BufferPool, fixed: Uint8Array) {
    this.#url = new URL(url);
    this.#exposed = !isTls(url);
    const bytesMax = (id: number): number => this.#waiting.get(id)?.replyBytesMax ?? 0;
    this.#reader = new FrameReader(fixed, replies, bytesMax, (id, reply) => this.#settle(id, reply));
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
    const port = Number(this.#url.port) || (isTls(url) ? httpsPort : httpPort);
    const target = { host: this.#url.hostname.replace(/^\[|\]$/g, ''), port, onread };
    const { ca, cert, key } = security;
    this.#socket =
      this.#url.protocol === 'https:' ? connectTls({ ...target, ca, cert, key }) : connectTcp(target);
    this.#socket.setNoDelay(true);
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
    this.#requestUpgrade(security.token);
  }

  #requestUpgrade(token: string | undefined): void {
    const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
    const upgrade = 'Connection: Upgrade\r\nUpgrade: flexemr/1\r\n';
    this.#socket.write(
      `GET /v1/stream HTTP/1.1\r\nHost: ${this.#url.host}\r\n${upgrade}${authorization}\r\n`,
    );
  }

  /** Why the connection cannot be used any more. Undefined if it can. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Whether the worker has answered that it offers streams. */
  get isUpgraded(): boolean {
    return this.#upgrade === undefined;
  }

  get traffic(): { readonly bytesOut: number; readonly bytesIn: number } {
    return { bytesOut: this.#socket.bytesWritten, bytesIn: this.#socket.bytesRead };
  }

  send(outgoing: Outgoing): Exchange {
    const id = this.#ids.next();
    const reply = new Promise<Received>((resolve, reject) => {
      if (this.#error) reject(this.#error);
      else this.#waiting.set(id, { resolve, reject, replyBytesMax: outgoing.replyBytesMax, awaited: true });
    });
    if (!this.#error) {
      if (this.#awaited++ === 0) this.#socket.ref();
      this.#write(outgoing, id);
    }
    return { reply, cancel: () => this.#cancel(id) };
  }

  #write(outgoing: Outgoing, id: number): void {
    const words = outgoing.bytes >>> 2;
    if (this.#sendFilled + words > this.#send.length) this.#makeRoom(words);
    if (words > this.#send.length) {
      const own = new Uint32Array(words);
      outgoing.write(own, 0, id, this.#exposed);
      this.#socket.write(new Uint8Array(own.buffer));
      return;
    }
    outgoing.write(this.#send, this.#sendFilled, id, this.#exposed);
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
    const answer = Buffer.concat([this.#upgrade ?? Buffer.alloc(0), bytes]);
    const end = answer.indexOf(endOfHeader);
    this.#upgrade = answer;
    if (end < 0) {
      if (answer.length > receiveBufferBytes) this.#refuse('sent an HTTP header that does not end');
      return;
    }
    const [status] = answer.subarray(0, end).toString('latin1').split('\r\n');
    const code = Number(status.split(' ')[1]);
    if (code === 101) {
      this.#upgrade = undefined;
      // A worker answers before that, at least with DEADLINE_EXCEEDED.
      this.#socket.setTimeout(subrequestMsMax + connectMsMax);
      if (!this.#reader.take(answer.subarray(end + endOfHeader.length))) this.#refuse(notAReply);
    } else if (code === 401) this.#fail(unauthorized(this.#url.origin));
    else if (code === 503) this.#fail(unavailable(this.#url.origin, 'is starting or draining'));
    else this.#fail(new NotAStream(`${this.#url.origin} answers an Upgrade with "${status}"`));
  }

  #settle(id: number, reply: Received): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
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
      const { replyBytesMax } = waiting;
      this.#waiting.set(id, { resolve: late, reject: () => resolve(), replyBytesMax, awaited: false });
      if (waiting.awaited) this.#unawait();
      // A frame that has begun but does not end would block all frames after it.
      const { frames } = this.#reader;
      expectEnd(
        () => (this.#reader.frames === frames ? this.#reader.begun : undefined),
        () => this.#refuse('does not end its reply'),
      );
      waiting.reject(new FlexemrError('CANCELLED', 'nobody waits for this subrequest any more'));
    }
    return promise;
  }

  #refuse(problem: string): void {
    this.#fail(unavailable(this.#url.origin, problem));
  }

  #fail(error: Error): void {
    this.#error ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#error);
    this.#waiting.clear();
    this.#socket.destroy();
  }

  async close(): Promise<void> {
    this.#fail(unavailable(this.#url.origin, 'was disconnected by this ranker'));
    await this.#closed;
  }
}
