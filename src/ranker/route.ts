import { FlexemrError, show } from '../errors.ts';
import { fingerprint } from '../plan/fingerprint.ts';
import { numberedShards, type RoutingTable } from '../plan/routing-table.ts';
import type { Transport } from '../transport/transport.ts';
import { NodeClient } from './node-client.ts';
import { RoutedTable } from './routed-table.ts';

/** A routing table in use, with a client for each node that has shards. */
export class Route {
  readonly plan: bigint;
  readonly tables: ReadonlyMap<string, RoutedTable>;
  readonly nodes: ReadonlyMap<string, NodeClient>;
  /** The contents that the nodes reported when they were last compared. */
  #compared: readonly ReadonlyMap<string, string>[] = [];

  /**
   * @param before the previous route: nodes that are still at the same URL keep their clients
   * @throws INVALID_ROUTING if a node with shards has no URL
   */
  constructor(routing: RoutingTable, transport: Transport, before?: Route) {
    const shards = Map.groupBy(numberedShards(routing), ({ table }) => table);
    const used = new Set(routing.tables.flatMap((table) => table.shards.map(({ node }) => node)));
    this.plan = fingerprint(routing);
    this.tables = new Map(
      routing.tables.map((table) => [table.spec.name, new RoutedTable(table, shards.get(table) ?? [])]),
    );
    this.nodes = new Map(
      routing.nodes
        .filter(({ id }) => used.has(id))
        .map(({ id, url }) => {
          const known = before?.nodes.get(id);
          if (known !== undefined && known.url === url) return [id, known];
          if (url !== undefined) return [id, new NodeClient(id, url, transport)];
          const message = `the routing table has no url for node ${id}: add one`;
          throw new FlexemrError('INVALID_ROUTING', message, { field: 'url', node: id });
        }),
    );
  }

  /** @throws UNKNOWN_TABLE */
  table(name: string, feature: string): RoutedTable {
    const table = this.tables.get(name);
    if (table) return table;
    const some = [...this.tables.keys()].slice(0, 5).join(', ');
    const message = `${feature}: there is no table named ${show(name)} (known tables: ${some || 'none'})`;
    throw new FlexemrError('UNKNOWN_TABLE', message, { field: feature, value: name });
  }

  /**
   * Checks that the nodes hold the same rows of each table, as far as they have reported their contents.
   * @throws STALE_ROUTING if two nodes differ; the message names both
   */
  checkContents(): void {
    const described = [...this.nodes.values()].map((node) => node.contents);
    if (described.every((contents, i) => contents === this.#compared[i])) return;
    const known = new Map<string, NodeContent>();
    for (const { id, contents } of this.nodes.values()) {
      for (const [table, content] of contents) {
        const other = known.get(table);
        if (other !== undefined && other.content !== content)
          throw mixed(table, other, { node: id, content });
        known.set(table, { node: id, content });
      }
    }
    this.#compared = described;
  }

  uses(node: NodeClient): boolean {
    return this.nodes.get(node.id) === node;
  }

  node(id: string): NodeClient {
    const node = this.nodes.get(id);
    if (node) return node;
    throw new FlexemrError('INVALID_ROUTING', `the routing table has no node ${id}`, { node: id });
  }
}

/** A node, and the digest that it reports for the rows of a table. */
interface NodeContent {
  readonly node: string;
  readonly content: string;
}

function mixed(table: string, one: NodeContent, other: NodeContent): FlexemrError {
  const message = `memory nodes ${one.node} and ${other.node} hold different rows of table ${table} (content ${one.content} and ${other.content}): start both with the same file, and create a new plan from it`;
  return new FlexemrError('STALE_ROUTING', message, { field: table, node: other.node, value: other.content });
}
