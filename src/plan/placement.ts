// The two ways to place a table: whole on one node, or cut over all nodes.
import type { PlannedShard } from './routing-table.ts';
import { keysEnd, shardSpanMax, type Uncut } from './shard-size.ts';

/**
 * Puts a whole table on one node, as one shard. A table that does not fit in an arena becomes several shards, as the
 * node's store would cut it.
 */
export function tableWise(table: Uncut, node: string): PlannedShard[] {
  return cut(table, node, 0, keysEnd(table));
}

/**
 * Cuts a table into blocks of ⌈rows / nodes⌉ rows, or ⌈2^32 / nodes⌉ hashes, one block per node. The last block may be
 * shorter, and nodes after it get none. A block that does not fit in an arena becomes several shards.
 */
export function rowWise(table: Uncut, nodes: readonly string[]): PlannedShard[] {
  const end = keysEnd(table);
  const block = Math.ceil(end / nodes.length);
  return nodes.flatMap((node, i) => cut(table, node, i * block, Math.min(end, (i + 1) * block)));
}

function cut(table: Uncut, node: string, from: number, to: number): PlannedShard[] {
  const span = shardSpanMax(table);
  const shards: PlannedShard[] = [];
  for (let begin = from; begin < to; begin += span)
    shards.push({ node, begin, end: Math.min(to, begin + span) });
  return shards;
}
