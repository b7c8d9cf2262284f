// A peer that can send any bytes, and can become a stream of frames.
import { connect, type Socket } from 'node:net';
import { FRAME_BYTES, FRAME_ID, HEADER_BYTES } from '../../src/wire/layout.ts';

const greeting = 'GET /v1/stream HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: flexemr/1\r\n\r\n';

/** A connection, and the bytes that it has received. */
export class RawPeer {
  readonly socket: Socket;
  /** Resolves when the connection is closed, for any reason. */
  readonly closed: Promise<void>;
  #received: Buffer = Buffer.alloc(0);
  #changed: () => void = () => {};

  constructor(port: number, { reads = true }: { readonly reads?: boolean } = {}) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
    void this.closed.then(() => this.#changed());
    if (reads)
      this.socket.on('data', (chunk: Buffer) => {
        this.#received = Buffer.concat([this.#received, chunk]);
        this.#changed();
      });
  }

  /** Opens a stream of frames, and takes the answer to the Upgrade. */
  static async stream(port: number, options: { readonly reads?: boolean } = {}): Promise<RawPeer> {
    const peer = new RawPeer(port);
    peer.send(greeting);
    const header = await peer.take(endOfHeaders);
    if (!header.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(`not a stream: ${header}`);
    // The test does not need the bytes that are read later, so they are not stored.
    if (options.reads === false) peer.socket.pause().removeAllListeners('data');
    return peer;
  }

  send(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  get received(): Buffer {
    return this.#received;
  }

  /** Waits until `lengthOf` returns a length and that many bytes have arrived. Takes these bytes. */
  async take(lengthOf: (received: Buffer) => number | undefined): Promise<Buffer> {
    for (;;) {
      const length = lengthOf(this.#received);
      if (length !== undefined && length <= this.#received.length) {
        const taken = this.#received.subarray(0, length);
        this.#received = this.#received.subarray(length);
        return taken;
      }
      if (this.socket.closed) throw new Error(`closed after ${this.#received.length} bytes`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Takes the next reply of a stream. */
  async reply(): Promise<Uint8Array> {
    const frame = await this.take((bytes) =>
      bytes.length < HEADER_BYTES ? undefined : bytes.readUInt32LE(FRAME_BYTES),
    );
    return Uint8Array.from(frame);
  }

  /** How many whole replies have arrived and were not taken. */
  get replies(): number {
    let count = 0;
    for (let at = 0; at + HEADER_BYTES <= this.#received.length; count++) {
      at += this.#received.readUInt32LE(at + FRAME_BYTES);
      if (at > this.#received.length) break;
    }
    return count;
  }

  /** Sends one subrequest of a stream, and waits for its reply. No other subrequest may be in flight. */
  async ask(frame: Uint8Array): Promise<Uint8Array> {
    this.send(frame);
    return await this.reply();
  }

  close(): void {
    this.socket.destroy();
  }
}

/** The position where the headers of a response end. */
export function endOfHeaders(bytes: Buffer): number | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  return end < 0 ? undefined : end + 4;
}

/** Copies a frame with another id. */
export function withId(frame: Uint8Array, id: number): Uint8Array {
  const copy = Uint8Array.from(frame);
  new DataView(copy.buffer).setUint32(FRAME_ID, id, true);
  return copy;
}
