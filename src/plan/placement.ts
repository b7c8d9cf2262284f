// The two ways to place a table: whole on one node, or cut over all of them.
import type { PlannedShard } from './routing-table.ts';
import { keysEnd, shardSpanMax, type Uncut } from './shard-size.ts';

/** A table whole on one node: one shard, or where it outgrows an arena, those the node's store would make. */
export function tableWise(table: Uncut, node: string): PlannedShard[] {
  return cut(table, node, 0, keysEnd(table));
}

/**
 * A table in blocks of ⌈rows / nodes⌉ rows, or ⌈2^32 / nodes⌉ hashes, one a node; the last one is short, and nodes
 * after it have none. A block that outgrows an arena is several shards.
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
