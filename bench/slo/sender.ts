// The process that sends requests, for the benchmarks of scoring services.
import { Pool } from 'undici';
import type { InferBody } from './infer-body.ts';
import { type Load, type LoadResult, requestOf, sendLoad } from './load.ts';

/** What this process is told. */
export type Order =
  | { readonly bodies: readonly InferBody[] }
  | { readonly url: string; readonly path: string; readonly load: Load };

/** What it says: at first that it is there, then what came of each order. */
export type Said = { readonly ready: true } | LoadResult;

/** Requests that may be in flight. A service that is this far behind has missed every sensible objective. */
const connections = 512;

let bodies: readonly InferBody[] = [];

async function obey(order: Order): Promise<Said> {
  if ('bodies' in order) {
    bodies = order.bodies;
    return { ready: true };
  }
  const pool = new Pool(order.url, { connections, pipelining: 1 });
  try {
    const requests = bodies.map((body) => requestOf(order.path, body));
    return await sendLoad(pool, requests, order.load);
  } finally {
    // What is still in flight is given up, so that the service is free for others.
    await pool.destroy();
  }
}

process.on('message', (order: Order) => void obey(order).then((said) => process.send?.(said)));
process.once('disconnect', () => process.exit());
process.send?.({ ready: true } satisfies Said);
