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
