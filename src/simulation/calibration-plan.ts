// The tables and the lookups by which costs are measured.
import type { KeyedBags } from '../plan/bags.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { Dice } from './dice.ts';

export const calibrationNodes = ['near', 'far'] as const;

/** Bytes of rows of each table. No cache of a processor has all of them. */
const tableBytes = 2 ** 27;

/** What the process with the nodes tells when it is ready. */
export interface CalibrationReady {
  /** Of each node. */
  readonly ports: readonly number[];
  /** Of a server that sends back what it gets. */
  readonly echoPort: number;
}

export function calibrationRouting(urls: readonly string[]): RoutingTable {
  const [near, far] = calibrationNodes;
  const tableOf = (name: string, dim: number, nodes: readonly string[]): RoutingTable['tables'][number] => {
    const rows = tableBytes / (dim * 4);
    const shards = nodes.map((node, i) => {
      return { node, begin: (rows / nodes.length) * i, end: (rows / nodes.length) * (i + 1) };
    });
    return { spec: { name, rows, dim, mode: 'sum', dtype: 'f32' }, version: 1, indexed: false, shards };
  };
  return {
    nodes: calibrationNodes.map((id, i) => ({ id, url: urls[i] })),
    tables: [tableOf('narrow', 16, [near]), tableOf('wide', 128, [near]), tableOf('cut', 16, [near, far])],
  };
}

/** Lookups of one kind, and what each of them makes rankers and nodes do. */
export interface CalibrationLoad {
  readonly lookups: readonly KeyedBags[];
  readonly features: number;
  readonly subrequests: number;
  readonly segments: number;
  readonly keys: number;
  readonly rowBytes: number;
  readonly replyBytes: number;
}

interface Kind {
  readonly table: 'narrow' | 'wide' | 'cut';
  readonly features: number;
  readonly bags: number;
  readonly keys: number;
}

const kinds: readonly Kind[] = [
  { table: 'narrow', features: 1, bags: 1, keys: 1 },
  { table: 'cut', features: 1, bags: 1, keys: 2 },
  { table: 'narrow', features: 26, bags: 1, keys: 1 },
  { table: 'cut', features: 26, bags: 1, keys: 2 },
  { table: 'narrow', features: 1, bags: 16, keys: 64 },
  { table: 'wide', features: 1, bags: 4, keys: 64 },
  { table: 'wide', features: 1, bags: 64, keys: 4 },
  { table: 'narrow', features: 1, bags: 256, keys: 4 },
];

/** Different lookups of each kind. */
const lookupsPerKind = 64;

export function calibrationLoads(): CalibrationLoad[] {
  const dice = new Dice(1);
  const { tables } = calibrationRouting([]);
  return kinds.map(({ table, features, bags, keys }) => {
    const planned = tables.find(({ spec }) => spec.name === table) ?? tables[0];
    const { rows, dim } = planned.spec;
    const nodes = planned.shards.length;
    // Of a table that is cut, each bag has as many keys on each node.
    const drawn = (i: number): number => dice.between(0, rows / nodes - 1) + ((i % nodes) * rows) / nodes;
    const feature = () => ({
      table,
      keys: Uint32Array.from({ length: bags * keys }, (_, i) => drawn(i)),
      lengths: Array.from({ length: bags }, () => keys),
    });
    const lookup = (): KeyedBags =>
      Object.fromEntries(Array.from({ length: features }, (_, i) => [`f${i}`, feature()]));
    return {
      lookups: Array.from({ length: lookupsPerKind }, lookup),
      features,
      subrequests: nodes,
      segments: features * nodes,
      keys: features * bags * keys,
      rowBytes: features * bags * keys * dim * 4,
      // Nodes send rows in place of a sum of as many.
      replyBytes: features * bags * nodes * dim * 4,
    };
  });
}
