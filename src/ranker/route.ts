import { FlexemrError } from '../errors.ts';
import { fingerprint } from '../plan/fingerprint.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { Transport } from '../transport/transport.ts';
import { NodeClient } from './node-client.ts';
import { type RoutedTable, routedTables } from './routed-table.ts';

/** A routing table in use, and the ways to its nodes. */
export interface Route {
  readonly plan: bigint;
  readonly tables: ReadonlyMap<string, RoutedTable>;
  readonly nodes: ReadonlyMap<string, NodeClient>;
}

/** Ways to every node that holds something. @throws INVALID_ROUTING where one has no URL */
export function routeOf(routing: RoutingTable, transport: Transport): Route {
  const used = new Set(routing.tables.flatMap(({ shards }) => shards.map(({ node }) => node)));
  const nodes = routing.nodes
    .filter(({ id }) => used.has(id))
    .map(({ id, url }) => {
      if (url !== undefined) return [id, new NodeClient(id, url, transport)] as const;
      const message = `the routing table does not say where node ${id} is reached: give it a url`;
      throw new FlexemrError('INVALID_ROUTING', message, { field: 'url', node: id });
    });
  return { plan: fingerprint(routing), tables: routedTables(routing), nodes: new Map(nodes) };
}
