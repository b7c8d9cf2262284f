// The exact tables on two memory nodes, each in its own process.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeRouting } from '../../src/host/file-routing.ts';
import { openTables } from '../../src/index.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { writeTables } from '../tables-file.ts';
import { type Asked, drawBags, exactTables, nodeIds, routing } from './exact-tables.ts';
import { KillableNode } from './killable-node.ts';

const lookups = 16;
/** A restarted node must be found again within this time. */
const recoveryMsMax = 5_000;

/** The tables in a file, and lookups with their expected results. */
export class ExactCase implements AsyncDisposable {
  readonly tables: string;
  readonly asked: readonly Asked[];
  readonly #folder: string;
  readonly #nodes: KillableNode[] = [];

  static async open(): Promise<ExactCase> {
    const folder = await mkdtemp(join(tmpdir(), 'flexemr-system-'));
    const tables = join(folder, 'tables.safetensors');
    await writeTables(tables, exactTables());
    await using local = await openTables(tables);
    const asked: Asked[] = [];
    for (let seed = 0; seed < lookups; seed++) {
      const bags = drawBags(seed);
      asked.push({ bags, expected: await local.lookup(bags) });
    }
    return new ExactCase(folder, tables, asked);
  }

  private constructor(folder: string, tables: string, asked: readonly Asked[]) {
    this.#folder = folder;
    this.tables = tables;
    this.asked = asked;
  }

  /** Starts the nodes. @param planned where the rows are; default: each table, or each half of one, on one node */
  async start(
    planned: RoutingTable = routing,
  ): Promise<{ readonly nodes: readonly KillableNode[]; readonly routing: RoutingTable }> {
    const plan = join(this.#folder, 'plan.json');
    await writeRouting(plan, planned);
    for (const id of nodeIds) this.#nodes.push(await KillableNode.start(id, this.tables, plan));
    const nodes = this.#nodes.map(({ id, url }) => ({ id, url }));
    return { nodes: this.#nodes, routing: { ...planned, nodes } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Waits until a lookup succeeds. @throws the error of the lookup, if it does not succeed in time */
export async function recovered(ranker: Ranker, { bags }: Asked): Promise<void> {
  const until = performance.now() + recoveryMsMax;
  for (;;) {
    try {
      await ranker.lookup(bags, { deadline: recoveryMsMax / 4 });
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(5);
    }
  }
}
