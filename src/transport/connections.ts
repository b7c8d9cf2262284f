import type { Socket } from 'node:net';
import { pressureLogMsMin } from '../limits.ts';

/** Reports the connections that a port closed since its last report. */
export interface Pressure {
  readonly connectionsMax: number;
  /** Connections that were closed to make a place for others. */
  readonly closed: number;
}

interface Known {
  readonly address: string | undefined;
  /** It has presented a token or a certificate. */
  trusted: boolean;
  /** Requests in flight. */
  busy: number;
  /** `performance.now()` of its last known activity. */
  since: number;
  bytesRead: number;
}

const lookMs = 1_000;

/**
 * The connections of one port. If the port is full, a new connection replaces the one that has been idle longest.
 * Connections that presented a token or a certificate are replaced last. All others from one address may use at most
 * three quarters of the places.
 */
export class Connections {
  readonly #max: number;
  readonly #onPressure: (pressure: Pressure) => void;
  readonly #known = new Map<Socket, Known>();
  /** Connections in a TLS handshake, by peer. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #timer: NodeJS.Timeout;
  #closed = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param onPressure called when the first connection is closed, then at most every `pressureLogMsMin` ms */
  constructor(max: number, onPressure: (pressure: Pressure) => void = () => {}) {
    this.#max = max;
    this.#onPressure = onPressure;
    this.#timer = setInterval(() => this.#look(), lookMs);
    this.#timer.unref();
  }

  [Symbol.iterator](): IterableIterator<Socket> {
    return this.#known.keys();
  }

  get size(): number {
    return this.#known.size;
  }

  /** Adds a new connection. */
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

  /** Adds a new TLS connection. It counts before its handshake, because most attacks do not get past the handshake. */
  addHandshake(socket: Socket): void {
    this.add(socket);
    const peer = peerOf(socket);
    this.#handshakes.set(peer, socket);
    socket.on('close', () => {
      if (this.#handshakes.get(peer) === socket) this.#handshakes.delete(peer);
    });
  }

  /**
   * The TLS handshake is complete.
   * @param secure the socket that is read and written from now on @param trusted it has presented a certificate
   */
  secured(secure: Socket, trusted: boolean): void {
    const peer = peerOf(secure);
    const raw = this.#handshakes.get(peer);
    const known = raw && this.#known.get(raw);
    if (raw === undefined || known === undefined) {
      // It was closed during its handshake.
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

  /** The connection has presented a token. */
  trust(socket: Socket): void {
    const known = this.#known.get(socket);
    if (known !== undefined) known.trusted = true;
  }

  /** A request of the connection is in flight. @returns a function that ends the request */
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

  /** Counts received bytes as activity, because streams do not call `begin`. */
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

/** Each connection of a port has a different peer. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Order of closing: untrusted before trusted, then idle before busy, then the longest time without activity first. */
function goesBefore(one: Known, other: Known): boolean {
  if (one.trusted !== other.trusted) return other.trusted;
  if (one.busy > 0 !== other.busy > 0) return other.busy > 0;
  return one.since < other.since;
}
