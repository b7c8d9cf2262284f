import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// There is no other way to it from within a process.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What this process holds once its garbage is collected. */
export interface Held {
  readonly rss: number;
  /** Of array buffers and the JavaScript heap. */
  readonly bytes: number;
  /** Sockets, by what they are of. */
  readonly sockets: number;
  readonly timers: number;
}

export async function held(): Promise<Held> {
  // Finalizers run in turns of their own, and may free more.
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

/** What was held at first and at last: medians of the first and last quarter, once everything has been used. */
export function firstAndLast(all: readonly Held[]): { readonly first: Held; readonly last: Held } {
  const seen = all.slice(1);
  const quarter = Math.ceil(seen.length / 4);
  const of = (part: readonly Held[]): Held => {
    const pick = (field: keyof Held): number => median(part.map((one) => one[field]));
    return { rss: pick('rss'), bytes: pick('bytes'), sockets: pick('sockets'), timers: pick('timers') };
  };
  return { first: of(seen.slice(0, quarter)), last: of(seen.slice(-quarter)) };
}
