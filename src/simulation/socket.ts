import { Duplex } from 'node:stream';
import type { Pipe, PipeEnd } from './pipe.ts';

/** As the option of `net.connect`. */
export interface OnRead {
  buffer(): Uint8Array | undefined;
  callback(bytes: number): boolean;
}

const headBytes = 256;

/** One end of a simulated connection: the part of `net.Socket` that HTTP and streams use. */
export class SimulatedSocket extends Duplex implements PipeEnd {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort: number;
  bytesRead = 0;
  bytesWritten = 0;
  /** The first bytes that were written: what the connection is for. */
  head: string | undefined;
  connecting: boolean;
  timeout = 0;
  /** To the other end. Undefined until it is connected. */
  #out: Pipe | undefined;
  #in: Pipe | undefined;
  /** Ends the write that is under way. */
  #written: ((error?: Error) => void) | undefined;
  /** A write that waits for the connection. */
  #waiting: (() => void) | undefined;
  #reading = true;
  readonly #onRead: OnRead | undefined;
  #buffer: Uint8Array | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When something was sent or received last. */
  #activeAt = 0;
  #ended = false;

  /** @param onRead bytes are read into its buffers, and no events tell of them */
  constructor(remotePort: number, connecting: boolean, onRead?: OnRead) {
    super({ allowHalfOpen: !connecting });
    this.remotePort = remotePort;
    this.connecting = connecting;
    this.#onRead = onRead;
    this.#buffer = onRead?.buffer();
  }

  /** It is connected from now on. */
  open(out: Pipe, incoming: Pipe): void {
    this.#out = out;
    this.#in = incoming;
    if (!this.connecting) return;
    this.connecting = false;
    this.emit('connect');
    this.#waiting?.();
  }

  get reading(): boolean {
    return this.#reading;
  }

  receive(bytes: Uint8Array): void {
    this.bytesRead += bytes.length;
    this.#active();
    if (this.#onRead === undefined)
      this.#reading = this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    else this.#readInto(this.#onRead, bytes);
  }

  #readInto({ buffer, callback }: OnRead, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.destroyed; ) {
      const room = this.#buffer ?? new Uint8Array();
      const piece = bytes.subarray(at, at + room.length);
      room.set(piece);
      at += piece.length;
      callback(piece.length);
      this.#buffer = buffer() ?? this.#buffer;
    }
  }

  receiveEnd(): void {
    if (this.destroyed) return;
    this.push(null);
    if (this.#onRead) this.read(0);
  }

  receiveReset(): void {
    this.destroy(socketError('read', 'ECONNRESET'));
  }

  override _read(): void {
    this.#reading = true;
    // The stream must have noted first that it asked.
    process.nextTick(() => this.#in?.deliver());
  }

  override _write(chunk: Buffer, _: string, done: (error?: Error) => void): void {
    this.head ??= chunk.toString('latin1', 0, headBytes);
    const write = (): void => {
      this.#active();
      this.bytesWritten += chunk.length;
      this.#out?.send(chunk, () => this.#endWrite());
    };
    this.#written = done;
    if (this.#out) write();
    else this.#waiting = write;
  }

  #endWrite(error?: Error): void {
    const written = this.#written;
    this.#written = undefined;
    written?.(error);
  }

  override _final(done: () => void): void {
    this.#ended = true;
    this.#out?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    if (!this.#ended) this.#out?.reset();
    this.#in?.deliver();
    this.#endWrite(socketError('write', 'ECANCELED'));
    done(error);
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  setTimeout(ms: number, then?: () => void): this {
    this.timeout = ms;
    if (then) this.once('timeout', then);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#active();
    return this;
  }

  #active(): void {
    this.#activeAt = performance.now();
    if (this.#timer === undefined && this.timeout > 0 && !this.destroyed) this.#watch(this.timeout);
  }

  /** One timer is enough for all that is sent and received meanwhile. */
  #watch(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const left = this.#activeAt + this.timeout - performance.now();
      if (left > 0) this.#watch(left);
      else this.emit('timeout');
    }, ms);
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

export function socketError(call: string, code: string): Error {
  return Object.assign(new Error(`${call} ${code}`), { code });
}
