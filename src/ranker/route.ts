import { replyBudgetBytesDefault } from '../credit-limits.ts';
import { FlexemrError } from '../errors.ts';
import { LookupTable, unknownTable } from '../lookup/lookup-table.ts';
import type { LookupPlan, PlanMemory } from '../lookup/plan-memory.ts';
import type { Workspace, WrittenPlan } from '../lookup/workspace.ts';
import { fingerprint, planText } from '../plan/fingerprint.ts';
import {
  holdersIn,
  holdersOf,
  numberedShards,
  type PlannedShard,
  type RoutingTable,
} from '../plan/routing-table.ts';
import type { Transport } from '../transport/transport.ts';
import { chainName } from '../updates/chain-name.ts';
import type { CachedTables } from './cached-tables.ts';
import type { FollowedShard } from './fresh-keys.ts';
import { NodeClient, type NodeContents } from './node-client.ts';
import { ReplicaSet } from './replica-set.ts';
import { ReplyBudget } from './reply-budget.ts';

export interface RouteOptions {
  readonly transport: Transport;
  /** Bytes of replies that may be under way; default: replyBudgetBytesDefault. */
  readonly replyBytes?: number | undefined;
}

/** A routing table in use, with a client for each node that has shards. */
export class Route implements WrittenPlan {
  readonly routing: RoutingTable;
  /** Where lookups that use it are prepared and merged. */
  readonly workspace: Workspace;
  readonly fingerprint: bigint;
  readonly cached: CachedTables;
  /** The memory for replies, of all routes of a ranker. */
  readonly replies: ReplyBudget;
  readonly plan: LookupPlan;
  /** The shards of tables whose entries follow updates, by their numbers. */
  readonly followed: ReadonlyMap<number, FollowedShard>;
  readonly written: PlanMemory | undefined;
  readonly nodes: ReadonlyMap<string, NodeClient>;
  /** The replica sets in the order of the plan. */
  readonly states: readonly ReplicaSet[];
  /** The same, by the names of their nodes. */
  readonly sets: ReadonlyMap<string, ReplicaSet>;
  readonly #clients: readonly NodeClient[];
  readonly #tables: ReadonlyMap<string, LookupTable>;
  readonly #planName: string;
  readonly #fingerprintWords: Uint32Array;
  /** Lookups that use it, and whether there will be no more. */
  #lookups = 0;
  #retired = false;
  #onUnused: () => void = () => {};
  /** The contents that the nodes reported when they were last compared. */
  #compared: readonly NodeContents[] = [];

  /**
   * @param cached what the cache of the workspace knows of the tables
   * @param before the previous route: nodes that are still at the same URL keep their clients
   * @throws INVALID_ROUTING if a node with shards has no URL
   */
  constructor(
    routing: RoutingTable,
    { transport, replyBytes = replyBudgetBytesDefault }: RouteOptions,
    workspace: Workspace,
    cached: CachedTables,
    before?: Route,
  ) {
    const used = holdersIn(routing);
    this.routing = routing;
    this.workspace = workspace;
    this.cached = cached;
    const replies = before?.replies ?? new ReplyBudget(replyBytes);
    this.replies = replies;
    this.fingerprint = fingerprint(routing);
    this.#planName = planText(this.fingerprint);
    this.#fingerprintWords = new Uint32Array(BigUint64Array.of(this.fingerprint).buffer);
    this.nodes = new Map(
      routing.nodes
        .filter(({ id }) => used.has(id))
        .map(({ id, url }) => {
          const known = before?.nodes.get(id);
          if (known !== undefined && known.url === url) return [id, known];
          if (url !== undefined) return [id, new NodeClient(id, url, transport, replies)];
          const message = `the routing table has no url for node ${id}: add one`;
          throw new FlexemrError('INVALID_ROUTING', message, { field: 'url', node: id });
        }),
    );
    const sets = new Map<string, number>();
    const states: ReplicaSet[] = [];
    this.#clients = [...this.nodes.values()];
    const tables = tablesOf(routing, cached, (shard) => {
      const name = nameOf(shard);
      const known = sets.get(name);
      if (known !== undefined) return known;
      sets.set(name, states.length);
      return states.push(this.#setOf(shard, before?.sets.get(name))) - 1;
    });
    this.states = states;
    this.sets = new Map([...sets].map(([name, place]) => [name, states[place]]));
    this.plan = { tables, nodes: this.states.map(({ name }) => name) };
    this.#tables = new Map(this.plan.tables.map((table) => [table.spec.name, table]));
    this.followed = followedShards(routing, cached);
    this.written = workspace.write(this.plan);
  }

  /** @param known the set of another route: with the same clients, it is used on, and knows how long they take */
  #setOf(shard: PlannedShard, known: ReplicaSet | undefined): ReplicaSet {
    const members = holdersOf(shard)
      .toSorted()
      .flatMap((id) => this.nodes.get(id) ?? []);
    const isSame = known?.members.every((member, i) => member === members[i]) ?? false;
    return known !== undefined && isSame ? known : new ReplicaSet(members);
  }

  /** Finds a table. @throws UNKNOWN_TABLE */
  readonly tableOf = (name: string, feature: string): LookupTable =>
    this.#tables.get(name) ?? unknownTable(name, feature, this.#tables.keys());

  /** Writes the fingerprint, a u64, at word `at`. */
  writeFingerprint(words: Uint32Array, at: number): void {
    words[at] = this.#fingerprintWords[0];
    words[at + 1] = this.#fingerprintWords[1];
  }

  /** A lookup begins to use it, or ends. */
  begin(): void {
    this.#lookups++;
  }

  end(): void {
    this.#lookups--;
    this.#freeIfUnused();
  }

  /** No more lookups will begin to use it. @param onUnused is called when the last one has ended */
  retire(onUnused: () => void = () => {}): void {
    this.#retired = true;
    this.#onUnused = onUnused;
    this.#freeIfUnused();
  }

  #freeIfUnused(): void {
    if (!this.#retired || this.#lookups > 0) return;
    this.written?.free();
    this.#onUnused();
  }

  /**
   * Checks that the nodes hold the same rows of each table of this release, as far as they have reported them.
   * @throws STALE_ROUTING if two nodes differ; the message names both
   */
  checkContents(): void {
    if (this.#isCompared()) return;
    const described = this.#clients.map((node) => node.contents);
    const known = new Map<string, NodeContent>();
    for (const { id, contents } of this.nodes.values()) {
      for (const [table, content] of contents.get(this.#planName) ?? []) {
        const other = known.get(table);
        if (other !== undefined && other.content !== content)
          throw mixed(table, other, { node: id, content });
        known.set(table, { node: id, content });
      }
    }
    this.#compared = described;
  }

  #isCompared(): boolean {
    for (let i = 0; i < this.#clients.length; i++)
      if (this.#clients[i].contents !== this.#compared[i]) return false;
    return true;
  }

  uses(node: NodeClient): boolean {
    return this.nodes.get(node.id) === node;
  }
}

/** Equal for two shards if the same nodes hold them. */
function nameOf(shard: PlannedShard): string {
  return shard.replicas === undefined ? `node ${shard.node}` : JSON.stringify(holdersOf(shard).toSorted());
}

/** The tables of a routing table, with the places of their shards. */
function tablesOf(
  { tables }: RoutingTable,
  cached: CachedTables,
  setOf: (shard: PlannedShard) => number,
): LookupTable[] {
  let number = 0;
  return tables.map((table, place) => {
    const shards = table.shards.map((shard) => {
      return { last: shard.end - 1, number: number++, node: setOf(shard) };
    });
    return new LookupTable(place, table, shards, { cached: cached.of(table.spec) });
  });
}

function followedShards(routing: RoutingTable, cached: CachedTables): Map<number, FollowedShard> {
  const followed = numberedShards(routing).flatMap((shard): [number, FollowedShard][] => {
    const { followed, number } = cached.of(shard.table.spec);
    return followed ? [[shard.number, { chain: chainName(shard), table: number }]] : [];
  });
  return new Map(followed);
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
