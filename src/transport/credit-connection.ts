import type { Socket } from 'node:net';
import { creditLossesMax } from '../credit-limits.ts';
import { connectMsMax, receiveBufferBytes } from '../limits.ts';
import { CREDIT_BYTES, CREDIT_ID, CREDIT_VERB } from '../wire/layout.ts';
import { dial, readUpgrade, upgradeRequest } from './dial.ts';
import type { ClientSecurity } from './security.ts';
import type { Traffic } from './transport.ts';
import { unavailable } from './unavailable.ts';

/**
 * The credits of one stream, on a connection of their own, so that they do not wait behind large frames. It is opened when it is
 * needed. If it is lost, it is opened again, and every credit whose reply has not come is sent again: to the worker, the second one
 * says nothing new.
 */
export class CreditConnection {
  readonly #url: URL;
  readonly #security: ClientSecurity;
  readonly #stream: string;
  readonly #onLost: (error: Error) => void;
  /** What was sent for subrequests that are not answered yet, by id. */
  readonly #open = new Map<number, number>();
  #socket: Socket | undefined;
  /** The answer to the Upgrade so far; undefined once it is complete. */
  #upgrade: Buffer | undefined;
  #losses = 0;
  #ended: Traffic = { bytesOut: 0, bytesIn: 0 };

  /** @param stream the name that the worker gave the stream @param onLost no credits reach the worker any more */
  constructor(url: URL, security: ClientSecurity, stream: string, onLost: (error: Error) => void) {
    this.#url = url;
    this.#security = security;
    this.#stream = stream;
    this.#onLost = onLost;
  }

  get traffic(): Traffic {
    const { bytesWritten = 0, bytesRead = 0 } = this.#socket ?? {};
    return { bytesOut: this.#ended.bytesOut + bytesWritten, bytesIn: this.#ended.bytesIn + bytesRead };
  }

  /** Connects, so that the next credit need not wait for it. */
  open(): void {
    this.#socket ??= this.#connect();
  }

  /** @param verb CREDIT_GRANT or CREDIT_DROP */
  send(id: number, verb: number): void {
    this.#open.set(id, verb);
    if (this.#socket === undefined) this.open();
    else this.#socket.write(creditsOf([[id, verb]]));
  }

  /** The reply has arrived, so its credit need not be sent again. */
  settled(id: number): void {
    if (this.#open.size > 0 && this.#open.delete(id)) this.#losses = 0;
  }

  #connect(): Socket {
    const socket = dial(this.#url, this.#security);
    let error: Error | undefined;
    this.#upgrade = Buffer.alloc(0);
    socket.unref();
    socket.setTimeout(connectMsMax);
    socket.on('timeout', () => socket.destroy());
    socket.on('error', (cause) => {
      error = cause;
    });
    socket.on('data', (bytes: Buffer) => this.#read(socket, bytes));
    socket.on('close', () => this.#lost(socket, error));
    socket.write(upgradeRequest(this.#url, this.#security.token, this.#stream));
    if (this.#open.size > 0) socket.write(creditsOf([...this.#open]));
    return socket;
  }

  #read(socket: Socket, bytes: Buffer): void {
    // A worker sends nothing after its answer.
    if (this.#upgrade === undefined) return void socket.destroy();
    this.#upgrade = Buffer.concat([this.#upgrade, bytes]);
    const answer = readUpgrade(this.#upgrade);
    if (answer?.code === 101) {
      this.#upgrade = undefined;
      socket.setTimeout(0);
    } else if (answer !== undefined || this.#upgrade.length > receiveBufferBytes) socket.destroy();
  }

  #lost(socket: Socket, cause: Error | undefined): void {
    this.#ended = {
      bytesOut: this.#ended.bytesOut + socket.bytesWritten,
      bytesIn: this.#ended.bytesIn + socket.bytesRead,
    };
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    if (this.#upgrade !== undefined || ++this.#losses > creditLossesMax)
      this.#onLost(unavailable(this.#url.origin, 'takes no credits', cause));
    else if (this.#open.size > 0) this.open();
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#open.clear();
    socket?.destroy();
  }
}

function creditsOf(credits: readonly (readonly [id: number, verb: number])[]): Uint8Array {
  const bytes = Buffer.alloc(credits.length * CREDIT_BYTES);
  for (const [i, [id, verb]] of credits.entries()) {
    bytes.writeUInt32LE(id, i * CREDIT_BYTES + CREDIT_ID);
    bytes.writeUInt32LE(verb, i * CREDIT_BYTES + CREDIT_VERB);
  }
  return bytes;
}
