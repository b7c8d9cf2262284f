import type { Socket } from 'node:net';
import { pressureLogMsMin } from '../limits.ts';

/** What went since it was last told. */
export interface Pressure {
  readonly connectionsMax: number;
  /** Connections that were cut off, so that others could come. */
  readonly closed: number;
}

interface Known {
  readonly address: string | undefined;
  /** It has shown a token, or a certificate. */
  trusted: boolean;
  /** Requests under way. */
  busy: number;
  /** `performance.now()` when it did something last, as far as was seen. */
  since: number;
  bytesRead: number;
}

const lookMs = 1_000;

/**
 * The connections of one port. When there are as many as may be, the idlest goes of those that have shown nothing; who has shown a
 * token or a certificate goes last. Strangers of one address have three quarters of all at most.
 */
export class Connections {
  readonly #max: number;
  readonly #onPressure: (pressure: Pressure) => void;
  readonly #known = new Map<Socket, Known>();
  /** Those in a TLS handshake, by their peers. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #timer: NodeJS.Timeout;
  #closed = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param onPressure hears of it at once, and then every `pressureLogMsMin` ms at most */
  constructor(max: number, onPressure: (pressure: Pressure) => void = () => {}) {
    this.#max = max;
    this.#onPressure = onPressure;
    this.#timer = setInterval(() => this.#look(), lookMs);
    this.#timer.unref();
  }

  [Symbol.iterator](): IterableIterator<Socket> {
    return this.#known.keys();
  }

  /** One comes. */
  add(socket: Socket): void {
    const address = socket.remoteAddress;
    if (this.#known.size >= this.#max) this.#end(this.#idlest(() => true));
    else if (this.#known.size >= (this.#max * 3) / 4) {
      const isPeer = (known: Known): boolean => !known.trusted && known.address === address;
      const count = [...this.#known.values()].filter(isPeer).length;
      if (count >= (this.#max * 3) / 4) this.#end(this.#idlest(isPeer));
    }
    this.#watch(socket, { address, trusted: false, busy: 0, since: performance.now(), bytesRead: 0 });
  }

  /** One comes by TLS. It counts from the first byte, in which most attacks end. */
  addHandshake(socket: Socket): void {
    this.add(socket);
    const peer = peerOf(socket);
    this.#handshakes.set(peer, socket);
    socket.on('close', () => {
      if (this.#handshakes.get(peer) === socket) this.#handshakes.delete(peer);
    });
  }

  /** Its handshake is done: `secure` is what is read and written now. @param trusted it has shown a certificate */
  secured(secure: Socket, trusted: boolean): void {
    const peer = peerOf(secure);
    const raw = this.#handshakes.get(peer);
    const known = raw && this.#known.get(raw);
    if (raw === undefined || known === undefined) {
      // It had to go meanwhile.
      secure.destroy();
      return;
    }
    this.#handshakes.delete(peer);
    this.#known.delete(raw);
    this.#watch(secure, { ...known, trusted, since: performance.now(), bytesRead: 0 });
  }

  #watch(socket: Socket, known: Known): void {
    this.#known.set(socket, known);
    socket.on('close', () => this.#known.delete(socket));
  }

  /** It has shown a token. */
  trust(socket: Socket): void {
    const known = this.#known.get(socket);
    if (known !== undefined) known.trusted = true;
  }

  /** A request of it is under way. @returns what ends that */
  begin(socket: Socket): () => void {
    const known = this.#known.get(socket);
    if (known === undefined) return () => {};
    known.busy++;
    return () => {
      known.busy--;
      known.since = performance.now();
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Streams do something when bytes come. */
  #look(): void {
    const now = performance.now();
    for (const [{ bytesRead }, known] of this.#known) {
      if (bytesRead === known.bytesRead) continue;
      known.bytesRead = bytesRead;
      known.since = now;
    }
    this.#tell(now);
  }

  #tell(now: number): void {
    if (this.#closed === 0 || now - this.#toldAt < pressureLogMsMin) return;
    this.#toldAt = now;
    this.#onPressure({ connectionsMax: this.#max, closed: this.#closed });
    this.#closed = 0;
  }

  #idlest(among: (known: Known) => boolean): Socket | undefined {
    let idlest: [Socket, Known] | undefined;
    for (const entry of this.#known)
      if (among(entry[1]) && (idlest === undefined || goesBefore(entry[1], idlest[1]))) idlest = entry;
    return idlest?.[0];
  }

  #end(socket: Socket | undefined): void {
    if (socket === undefined) return;
    this.#known.delete(socket);
    socket.destroy();
    this.#closed++;
    this.#tell(performance.now());
  }
}

/** No two connections of a port have the same. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Strangers before the trusted, the idle before the busy, and who did nothing for longest first. */
function goesBefore(one: Known, other: Known): boolean {
  if (one.trusted !== other.trusted) return other.trusted;
  if (one.busy > 0 !== other.busy > 0) return other.busy > 0;
  return one.since < other.since;
}
