// Which nodes hold the same shards. Shards are on few different sets of nodes, because a lookup asks each set for all that it holds.
import { FlexemrError } from '../errors.ts';
import type { PlannedNode } from './routing-table.ts';

/** The ids of the nodes of a replica set. */
export type ReplicaNodes = readonly [string, ...string[]];

/**
 * One set for each node: the node and those after it in a ring. So each node is in as many sets as there are replicas, and when
 * it is lost, two or more other nodes share its work. Nodes of one zone are far apart in the ring, and a set skips those of a
 * zone that it has. If a zone has more than its share of the nodes, the sets are in different zones all the same, but nodes of the
 * other zones are in more of them.
 * @throws INVALID_OPTION if there are too few nodes or zones
 */
export function replicaSets(nodes: readonly PlannedNode[], replicas: number): ReplicaNodes[] {
  checkCounts(nodes, replicas);
  const ring = ringOf(nodes, replicas);
  const sets = new Map<string, ReplicaNodes>();
  for (const [i, first] of ring.entries()) {
    const set = [first];
    for (let at = i + 1; set.length < replicas; at++) {
      const node = ring[at % ring.length];
      if (set.every((other) => zoneOf(other) !== zoneOf(node))) set.push(node);
    }
    const [id, ...others] = set.map((node) => node.id);
    const name = JSON.stringify([id, ...others].sort());
    if (!sets.has(name)) sets.set(name, [id, ...others]);
  }
  return [...sets.values()];
}

/** A node that names no zone is a zone of its own. The text of both is different. */
function zoneOf({ id, zone }: PlannedNode): string {
  return zone === undefined ? `node ${id}` : `zone ${zone}`;
}

/** Nodes in an order in which any `replicas` neighbours are in different zones, if there is one. */
function ringOf(nodes: readonly PlannedNode[], replicas: number): readonly PlannedNode[] {
  const zones = [...Map.groupBy(nodes, zoneOf).values()];
  if (replicas === 1 || zones.length === nodes.length) return nodes;
  // Rows of at least as many nodes as replicas. Zones go down the columns, so that their nodes are in different rows.
  const sorted = zones.toSorted((a, b) => b.length - a.length).flat();
  const rows: PlannedNode[][] = Array.from({ length: Math.floor(nodes.length / replicas) }, () => []);
  for (const [i, node] of sorted.entries()) rows[i % rows.length].push(node);
  return rows.flat();
}

function checkCounts(nodes: readonly PlannedNode[], replicas: number): void {
  if (replicas > nodes.length)
    throw tooFew(replicas, `${nodes.length} nodes cannot hold ${replicas} replicas: add nodes`);
  const named = nodes.filter(({ zone }) => zone !== undefined).length;
  if (replicas === 1 || named === 0) return;
  if (named < nodes.length) {
    const problem = `${nodes.length - named} of ${nodes.length} nodes name no zone: name the zone of every node, or of none`;
    throw tooFew(replicas, problem);
  }
  const zones = new Set(nodes.map(zoneOf)).size;
  if (zones >= replicas) return;
  const problem = `${zones} zones cannot hold ${replicas} replicas: add zones, or name none, so that replicas are only on different nodes`;
  throw tooFew(replicas, problem);
}

function tooFew(replicas: number, problem: string): FlexemrError {
  return new FlexemrError('INVALID_OPTION', `replicas: ${problem}`, { field: 'replicas', value: replicas });
}
