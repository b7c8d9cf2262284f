// Measures the costs of placements of tables on three memory nodes, and finds the placement with the lowest costs.
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import type { KeyedBags } from '../../src/index.ts';
import { rowBytes } from '../../src/kernel/dtype.ts';
import { balanceTarget } from '../../src/limits.ts';
import { rowWise, tableWise } from '../../src/plan/placement.ts';
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import { shardBytes } from '../../src/plan/shard-size.ts';
import { Cluster } from '../cluster.ts';
import { sum } from './mlperf.ts';
import { lookupsACase, type PlannedCase, requestsALookup } from './planned-case.ts';

export const nodeIds: readonly string[] = ['n0', 'n1', 'n2'];
const requests = requestsALookup * lookupsACase;

/** The costs of a request: bytes read from the ranker's sockets, and bytes of rows that each node read. */
interface Cost {
  readonly replyBytes: number;
  readonly work: readonly number[];
}

export interface Measured extends Cost {
  /** The costs of each table alone. */
  readonly tables: readonly Cost[];
  /** The relative random deviation of the busiest node's work. Its number of keys has a Poisson distribution. */
  readonly workNoise: number;
}

/** The work of the busiest node divided by the mean work. */
export function balanceOf({ work }: Cost): number {
  return sum(work) === 0 ? 1 : (Math.max(...work) * work.length) / sum(work);
}

/** The objective that a plan minimises. */
export function objective(cost: Cost): number {
  return cost.replyBytes * Math.max(1, balanceOf(cost) / balanceTarget);
}

/** Looks up every request with a placement: once for each table to measure its work, and once for all tables. */
export async function measure(
  { tables, lookups }: PlannedCase,
  placed: readonly PlannedTable[],
): Promise<Measured> {
  const split = (): PlannedTable[] => [...placed];
  await using cluster = await Cluster.start({ tables, nodes: nodeIds.length, split, workers: 1 });
  // Predictions do not know which bags will be equal.
  await using ranker = await cluster.ranker({
    transport: 'stream',
    pushDown: 'always',
    deduplicateBags: false,
  });
  // This lookup connects, so the bytes after it are only those of lookups.
  await ranker.lookup(lookups[0]);
  const cost = async (asked: readonly KeyedBags[], keyBytes: number): Promise<Cost> => {
    const [before, { bytesIn }] = [await keysRead(cluster), ranker.stats];
    for (const bags of asked) await ranker.lookup(bags);
    const work = (await keysRead(cluster)).map((keys, i) => ((keys - before[i]) * keyBytes) / requests);
    return { replyBytes: (ranker.stats.bytesIn - bytesIn) / requests, work };
  };
  const alone: Cost[] = [];
  for (const { spec } of tables) {
    const bags = lookups.map((all) => ({ [spec.name]: all[spec.name] }));
    alone.push(await cost(bags, rowBytes(spec.dtype ?? 'f32', spec.dim)));
  }
  const { replyBytes } = await cost(lookups, 0);
  const work = nodeIds.map((_, node) => sum(alone.map((own) => own.work[node])));
  const busiest = work.indexOf(Math.max(...work));
  const variances = tables.map(({ spec }, i) => {
    return (alone[i].work[busiest] * rowBytes(spec.dtype ?? 'f32', spec.dim)) / requests;
  });
  const workNoise = Math.sqrt(sum(variances)) / Math.max(1, work[busiest]);
  return { replyBytes, work, tables: alone, workNoise };
}

async function keysRead({ nodes }: Cluster): Promise<number[]> {
  const read = nodes.map(async (node) => {
    if (!(node instanceof MemoryNodeHost)) throw new Error('the nodes have no threads of their own');
    return sum((await node.stats()).map(({ keys }) => keys));
  });
  return await Promise.all(read);
}

/** One way to place a table. */
interface Choice {
  readonly table: PlannedTable;
  readonly cost: Cost;
  /** The bytes of the table on each node. */
  readonly bytes: readonly number[];
}

/** @param room capacity of each node in bytes @returns the placement with the lowest measured costs */
export async function bestPlacement(
  given: PlannedCase,
  uncut: readonly PlannedTable[],
  room: number,
): Promise<PlannedTable[]> {
  const choices = await choicesOf(given, uncut);
  const none = nodeIds.map(() => 0);
  let [least, best]: [number, readonly Choice[]] = [Number.POSITIVE_INFINITY, []];
  const visit = (chosen: readonly Choice[], cost: Cost, bytes: readonly number[]): void => {
    if (bytes.some((own) => own > room)) return;
    if (chosen.length === uncut.length) {
      if (objective(cost) < least) [least, best] = [objective(cost), chosen];
      return;
    }
    for (const choice of choices[chosen.length]) {
      const replyBytes = cost.replyBytes + choice.cost.replyBytes;
      const work = plus(cost.work, choice.cost.work);
      visit([...chosen, choice], { replyBytes, work }, plus(bytes, choice.bytes));
    }
  };
  visit([], { replyBytes: 0, work: none }, none);
  return best.map(({ table }) => table);
}

/** The choices of each table: whole on each node, or cut over all nodes. */
async function choicesOf(given: PlannedCase, uncut: readonly PlannedTable[]): Promise<Choice[][]> {
  const onFirst = uncut.map((table) => ({ ...table, shards: tableWise(table, nodeIds[0]) }));
  const overAll = uncut.map((table) => ({ ...table, shards: rowWise(table, nodeIds) }));
  const [whole, cut] = [await measure(given, onFirst), await measure(given, overAll)];
  return uncut.map((table, i) => {
    const { replyBytes, work } = whole.tables[i];
    const wholes = nodeIds.map((id, node): Choice => {
      const placed = { ...table, shards: tableWise(table, id) };
      const cost = { replyBytes, work: nodeIds.map((_, other) => (other === node ? work[0] : 0)) };
      return { table: placed, cost, bytes: bytesOf(placed) };
    });
    return [...wholes, { table: overAll[i], cost: cut.tables[i], bytes: bytesOf(overAll[i]) }];
  });
}

/** The bytes of a table on each node. */
export function bytesOf(table: PlannedTable): number[] {
  return nodeIds.map((id) => {
    const own = table.shards.filter(({ node }) => node === id);
    return sum(own.map((shard) => shardBytes(table, shard)));
  });
}

function plus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value + b[i]);
}
