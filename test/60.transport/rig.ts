// The setup for tests of transports: a few nodes with tables of every kind, and the same tables in this process.
import { expect } from 'vitest';
import { type Bags, FlexemrError, type KeyedBags, type TableMode } from '../../src/index.ts';
import type { Split } from '../../src/plan/planner.ts';
import type { PlannedShard } from '../../src/plan/routing-table.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { ClientSecurity } from '../../src/transport/security.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { Cluster } from '../cluster.ts';
import type { GivenTable } from '../tables-file.ts';
import type { Contender } from './contenders.ts';
import { Gate } from './gate.ts';

function table(name: string, mode: TableMode, rows: number, dim: number, more: object = {}): GivenTable {
  const random = randomOf(rows * dim);
  const values = Float32Array.from({ length: rows * dim }, () => random() - 0.5);
  return { spec: { name, rows, dim, mode, ...more }, rows: values };
}

const ids = BigUint64Array.from({ length: 300 }, (_, row) =>
  BigInt.asUintN(64, BigInt(row + 1) * 0x9e3779b97f4a7c15n),
);

export const tables: readonly GivenTable[] = [
  table('sum', 'sum', 500, 16, { padding: 7 }),
  table('mean', 'mean', 400, 24, { dtype: 'f16' }),
  table('max', 'max', 300, 12, { dtype: 'int8' }),
  table('rows', 'none', 6000, 64),
  { ...table('ids', 'sqrtn', 300, 5, { missing: 'skip' }), ids },
];

/** Draws some bags of every table from a seed. */
export function someBags(seed: number, bags = 5): KeyedBags {
  const random = randomOf(seed);
  const below = (end: number): number => Math.floor(random() * end);
  const given = tables.map(({ spec, ids }): [string, Bags] => {
    const lengths = Uint32Array.from({ length: bags }, () => below(9));
    const count = lengths.reduce((sum, length) => sum + length, 0);
    const weighted = spec.mode === 'mean' || spec.mode === 'sqrtn';
    return [
      spec.name,
      {
        // One index past the ids gives a key without a row.
        keys: ids
          ? BigUint64Array.from({ length: count }, () => ids[below(ids.length + 1)] ?? 1n)
          : Uint32Array.from({ length: count }, () => below(spec.rows)),
        lengths,
        weights: weighted ? Float32Array.from({ length: count }, () => below(8) / 4) : undefined,
      },
    ];
  });
  return Object.fromEntries(given);
}

/** Bags whose subrequest and reply have a megabyte or more. */
export function largeBags(seed: number): KeyedBags {
  const random = randomOf(seed);
  // Each row occurs once, so fetching rows would not save bytes.
  const rows = Uint32Array.from({ length: 6_000 }, (_, i) => (i * 7) % 6000);
  const sums = Uint32Array.from({ length: 250_000 }, () => Math.floor(random() * 500));
  return { rows: { keys: rows, offsets: [0] }, sum: { keys: sums, offsets: [0, 100_000, 249_999] } };
}

/** @returns the error of a lookup that is refused */
export async function refused(work: Promise<unknown>): Promise<FlexemrError> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(FlexemrError);
  return error as FlexemrError;
}

/** Nodes behind gates, with one transport. */
export class Rig implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly gates: readonly Gate[];
  readonly #of: Contender;
  readonly #rankers: Ranker[] = [];

  static async start(of: Contender, nodes: number, split: Split = 'table'): Promise<Rig> {
    const gates = new Map<string, Gate>();
    const wrap = (handler: ConstructorParameters<typeof Gate>[0], node: string): Gate => {
      const gate = new Gate(handler);
      gates.set(node, gate);
      return gate;
    };
    const cluster = await Cluster.start({ tables, nodes, split, security: of.server, wrap, rdma: of.rdma });
    return new Rig(
      of,
      cluster,
      cluster.routing.nodes.map(({ id }) => gates.get(id) as Gate),
    );
  }

  private constructor(of: Contender, cluster: Cluster, gates: readonly Gate[]) {
    this.#of = of;
    this.cluster = cluster;
    this.gates = gates;
  }

  shardsOf(table: string): readonly PlannedShard[] {
    return this.cluster.routing.tables.find(({ spec }) => spec.name === table)?.shards ?? [];
  }

  /** The gate of the node that holds a table, or its first rows. */
  gateOf(table: string): Gate {
    const [{ node }] = this.shardsOf(table);
    return this.gates[this.cluster.routing.nodes.findIndex(({ id }) => id === node)];
  }

  /** Opens a ranker that is closed with the rig. @param client its security */
  async ranker(client: ClientSecurity = this.#of.client, urls?: readonly string[]): Promise<Ranker> {
    const { routing } = this.cluster;
    const nodes = routing.nodes.map((node, i) => ({ ...node, url: urls?.[i] ?? node.url }));
    const { engines } = this.#of;
    const transport = engines === undefined ? await this.#of.open(this.cluster, client) : 'stream';
    try {
      const security = engines === undefined ? undefined : client;
      const ranker = await this.cluster.ranker({
        routing: { ...routing, nodes },
        transport,
        engines,
        security,
      });
      this.#rankers.push(ranker);
      return ranker;
    } catch (error) {
      if (typeof transport !== 'string') await transport.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#rankers.map((ranker) => ranker.close()));
    await this.cluster[Symbol.asyncDispose]();
  }
}
