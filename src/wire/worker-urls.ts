import type { NodeDescription } from './handler.ts';

/** The addresses of a node's workers, on the host of one of them. */
export function workerUrls(url: string, workers: NodeDescription['workers']): string[] {
  return workers.length === 0 ? [url] : workers.map(({ port }) => withPort(url, port));
}
function withPort(url: string, port: number): string {
  const own = new URL(url);
  own.port = String(port);
  return own.origin;
}
