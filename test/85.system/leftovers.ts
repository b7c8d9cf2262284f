import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// A process has no other way to run the garbage collection.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The resources that this process holds after garbage collection. */
export interface Held {
  readonly rss: number;
  /** Bytes of array buffers and of the JavaScript heap. */
  readonly bytes: number;
  /** The number of sockets. */
  readonly sockets: number;
  readonly timers: number;
}

export async function held(): Promise<Held> {
  // Finalizers run in later turns of the event loop, and may free more memory.
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((done) => setImmediate(done));
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const count = (pattern: RegExp): number => resources.filter((name) => pattern.test(name)).length;
  return { rss, bytes: heapUsed + arrayBuffers, sockets: count(/TCP|TLS|Pipe/), timers: count(/Timeout/) };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

/** The medians of the first and of the last quarter. Skips the first entry, before which not everything was used. */
export function firstAndLast(all: readonly Held[]): { readonly first: Held; readonly last: Held } {
  const seen = all.slice(1);
  const quarter = Math.ceil(seen.length / 4);
  const of = (part: readonly Held[]): Held => {
    const pick = (field: keyof Held): number => median(part.map((one) => one[field]));
    return { rss: pick('rss'), bytes: pick('bytes'), sockets: pick('sockets'), timers: pick('timers') };
  };
  return { first: of(seen.slice(0, quarter)), last: of(seen.slice(-quarter)) };
}
