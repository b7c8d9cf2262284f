import type { Log } from '../log.ts';
import type { NodeStatus } from '../ranker/node-client.ts';
import type { Ranker } from '../ranker/ranker.ts';
import { nodeCheckMs } from '../scoring-limits.ts';

/**
 * Asks every memory node of a ranker again and again, and logs which of them go and come back. Without requests,
 * nothing else notices.
 */
export class NodeWatch {
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  /** Nodes that did not answer when they were asked last. */
  #down: ReadonlySet<string> = new Set();

  constructor(ranker: Ranker, log: Log) {
    this.#log = log;
    this.#timer = setInterval(async () => this.#tell(await ranker.checkNodes()), nodeCheckMs).unref();
  }

  #tell(nodes: readonly NodeStatus[]): void {
    for (const { node, url, up } of nodes) {
      const wasUp = !this.#down.has(node);
      if (wasUp && !up) this.#log.warn({ node, url }, 'a memory node does not answer');
      if (!wasUp && up) this.#log.info({ node, url }, 'the memory node answers again');
    }
    this.#down = new Set(nodes.filter(({ up }) => !up).map(({ node }) => node));
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
