// What a placement of tables costs, by measurement on three memory nodes; and the one that costs least of all.
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

/** Of a request: bytes read from the ranker's sockets, and bytes of rows that each node read. */
interface Cost {
  readonly replyBytes: number;
  readonly work: readonly number[];
}

export interface Measured extends Cost {
  /** The same of each table by itself. */
  readonly tables: readonly Cost[];
  /** By how much the busiest node's work deviates by chance, over that work: keys come to it as rain does. */
  readonly workNoise: number;
}

/** Work of the busiest node over that of the mean one. */
export function balanceOf({ work }: Cost): number {
  return sum(work) === 0 ? 1 : (Math.max(...work) * work.length) / sum(work);
}

/** What a plan makes small. */
export function objective(cost: Cost): number {
  return cost.replyBytes * Math.max(1, balanceOf(cost) / balanceTarget);
}

/** Looks up every request under a placement: table by table for its work, and together. */
export async function measure(
  { tables, lookups }: PlannedCase,
  placed: readonly PlannedTable[],
): Promise<Measured> {
  const split = (): PlannedTable[] => [...placed];
  await using cluster = await Cluster.start({ tables, nodes: nodeIds.length, split, workers: 1 });
  await using ranker = await cluster.ranker({ transport: 'stream', pushDown: 'always' });
  // Connects; from now on there are lookups alone.
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
    if (!(node instanceof MemoryNodeHost)) throw new Error('these nodes are to have threads of their own');
    return sum((await node.stats()).map(({ keys }) => keys));
  });
  return await Promise.all(read);
}

/** One way to place a table. */
interface Choice {
  readonly table: PlannedTable;
  readonly cost: Cost;
  /** Room it takes on each node. */
  readonly bytes: readonly number[];
}

/** The placement that measures best of all there are. @param room of each node */
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

/** Every table whole on each node, and cut over all. */
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

/** Bytes of a table on each node. */
export function bytesOf(table: PlannedTable): number[] {
  return nodeIds.map((id) => {
    const own = table.shards.filter(({ node }) => node === id);
    return sum(own.map((shard) => shardBytes(table, shard)));
  });
}

function plus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value + b[i]);
}
