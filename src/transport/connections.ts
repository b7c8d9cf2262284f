import type { Socket } from 'node:net';

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
 * The connections of one worker. When there are as many as may be, the idlest goes of those that have shown nothing; who has shown a
 * token or a certificate goes last. Strangers of one address have three quarters of all at most.
 */
export class Connections {
  readonly #max: number;
  readonly #known = new Map<Socket, Known>();
  readonly #timer: NodeJS.Timeout;

  constructor(max: number) {
    this.#max = max;
    this.#timer = setInterval(() => this.#look(), lookMs);
    this.#timer.unref();
  }

  [Symbol.iterator](): IterableIterator<Socket> {
    return this.#known.keys();
  }

  /** @param trusted it has shown a certificate already */
  add(socket: Socket, trusted: boolean): void {
    const address = socket.remoteAddress;
    if (this.#known.size >= this.#max) this.#end(this.#idlest(() => true));
    else if (this.#known.size >= (this.#max * 3) / 4) {
      const isPeer = (known: Known): boolean => !known.trusted && known.address === address;
      const count = [...this.#known.values()].filter(isPeer).length;
      if (count >= (this.#max * 3) / 4) this.#end(this.#idlest(isPeer));
    }
    this.#known.set(socket, { address, trusted, busy: 0, since: performance.now(), bytesRead: 0 });
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
  }
}

/** Strangers before the trusted, the idle before the busy, and who did nothing for longest first. */
function goesBefore(one: Known, other: Known): boolean {
  if (one.trusted !== other.trusted) return other.trusted;
  if (one.busy > 0 !== other.busy > 0) return other.busy > 0;
  return one.since < other.since;
}
