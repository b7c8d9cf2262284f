// `flexemr rank` over two memory nodes, with clients that ask all the time.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTables, routingJson, startLocalCluster } from '../../src/index.ts';
import { denseFile, type Running, served, tablesFile } from '../80.cli/command.ts';
import { started } from './ranker.ts';
import type { ServiceUnderTest } from './service-under-test.ts';

/** @param folder for the plan */
export async function openLiveService(folder: string): Promise<ServiceUnderTest> {
  const cluster = await startLocalCluster({ tables: tablesFile, nodes: 2, split: 'table' });
  const plan = join(folder, 'plan.json');
  writeFileSync(plan, routingJson(cluster.routing));
  const { service, ready } = await started('--routing', plan, '--dense', denseFile);
  const clients = new Clients(ready.url, await bodyOf());
  const node = cluster.routing.nodes[1];
  let again: Running | undefined;
  return {
    url: `${ready.url}/`,
    async killNode() {
      process.kill(cluster.pids[1], 'SIGKILL');
      return node.id;
    },
    async restartNode() {
      const port = new URL(node.url ?? '').port;
      again = (await served('--tables', tablesFile, '--plan', plan, '--node', node.id, '--port', port)).node;
    },
    async close() {
      await clients.end();
      await service[Symbol.asyncDispose]();
      await again?.[Symbol.asyncDispose]();
      await cluster.close();
    },
  };
}

/** A request of three candidates. */
async function bodyOf(): Promise<string> {
  await using tables = await openTables(tablesFile);
  const user = Object.fromEntries(tables.specs.map(({ name }) => [name, [1, 2]]));
  const candidates = [0, 0.5, 1].map((value) => ({ dense: new Array(10).fill(value) }));
  return JSON.stringify({ user, candidates, deadline_ms: 500 });
}

/** Clients that ask again as soon as they have an answer, whatever it is. */
class Clients {
  readonly #asking: Promise<void>[];
  #ended = false;

  constructor(url: string, body: string) {
    this.#asking = Array.from({ length: 4 }, () => this.#ask(`${url}/v1/rank`, body));
  }

  async #ask(url: string, body: string): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    while (!this.#ended) {
      const answer = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined);
      await answer?.arrayBuffer();
      // Other processes of this machine have work too.
      await new Promise((waited) => setTimeout(waited, 5));
    }
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#asking);
  }
}
