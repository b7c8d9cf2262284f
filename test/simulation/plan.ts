// What a seed decides before its simulation begins.
import { type EngineSizes, engineSizes } from '../../src/engine/engine-sizes.ts';
import type { PushDown } from '../../src/lookup/asked.ts';
import {
  holdersOf,
  type PlannedShard,
  type PlannedTable,
  type RoutingTable,
} from '../../src/plan/routing-table.ts';
import type { RowDtype, TableMode } from '../../src/plan/table-spec.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { Weather } from '../../src/simulation/pipe.ts';

interface ScorerPlan {
  /** Threads of the networks. */
  readonly threads: number;
  readonly batchCandidates: number;
  readonly batchDelay: number;
  readonly queueCandidates: number;
  readonly requests: number;
  readonly betweenMs: number;
}

/** Engines of all rankers. */
export interface EnginesPlan {
  readonly engines: number;
  /** Most milliseconds until a message reaches another thread. */
  readonly messageMsMax: number;
  /** How much memory they share: as much as in production, or so little that it is used up. */
  readonly sizes: EngineSizes;
  /** What share of the time each engine says that it is busy. The balancer moves connections away from busy ones. */
  readonly busy: readonly number[];
  /** Of each ranker. */
  readonly moves: number;
  readonly stalls: number;
  readonly deaths: number;
}

export interface Plan {
  readonly nodes: number;
  readonly rankers: number;
  /** Worker threads of each node. */
  readonly workers: number;
  /** Memory of a worker for frames and replies. */
  readonly slotBytes: number;
  readonly tables: readonly PlannedTable[];
  /** The same tables, some of them with other cuts. */
  readonly recut: readonly PlannedTable[];
  readonly weather: Weather;
  readonly ranker: {
    readonly pushDown: PushDown;
    readonly deduplicateBags: boolean;
    readonly checksums: boolean;
    readonly cache: number | 'off';
    /** Memory for replies that are under way. Little of it lets replies wait for credits. */
    readonly replyBytes: number;
  };
  readonly lookups: number;
  /** Lookups that begin all at once, so that they wait for credits. */
  readonly crowd: number;
  /** Keys of lookups that take several slices to prepare and to answer. 0: there are none. */
  readonly largeKeys: number;
  /** Mean time between two lookups. */
  readonly betweenMs: number;
  readonly faults: number;
  /** Connections that carry credits are lost again and again. */
  readonly breaksCredits: boolean;
  /** A node that dies and never comes back. */
  readonly dead: string | undefined;
  /** A scorer on top of the first ranker. */
  readonly scorer: ScorerPlan | undefined;
  /** Nodes that hold each shard. */
  readonly replicas: number;
  /** A ranker and a node that do not reach each other any more from some time on, for ever. Others reach both. */
  readonly apart: { readonly ranker: number; readonly node: string } | undefined;
  /** Undefined: the thread that asks does all lookups. */
  readonly engines: EnginesPlan | undefined;
  /** At the end, a node with one worker is slow until the window of its session is small. */
  readonly shrinks: boolean;
}

const modes: readonly TableMode[] = ['sum', 'mean', 'sqrtn', 'max', 'none'];
/** Little memory for replies, and as much as they can take. Large lookups need more. */
const replyBytes = [2 ** 16, 2 ** 16, 2 ** 17, 2 ** 26];
const largeReplyBytes = [2 ** 17, 2 ** 18, 2 ** 26];

const dtypes: readonly RowDtype[] = ['f32', 'f32', 'f16', 'int8'];

/** Part of the seeds in which rankers have engines. */
const enginesShare = 0.25;

/** Largest slots, and slots in which a burst of lookups finds no space. */
const slotBytes = 2 ** 20;
const smallSlotBytes = 2 ** 17;

export function planOf(dice: Dice): Plan {
  const nodes = dice.between(1, 4);
  const names = nodeNames(nodes);
  const delayMsMax = dice.pick([1, 3, 10, 30]);
  const largeKeys = dice.chance(0.2) ? dice.between(8_000, 20_000) : 0;
  const crowd = dice.chance(0.25) ? dice.between(80, 160) : 0;
  // With a small window, so much data would take seconds.
  const windowBytes = largeKeys > 0 || crowd > 0 ? 2 ** 20 : dice.pick([4_096, 65_536, 2 ** 20]);
  const weather = {
    delayMsMin: dice.between(0, Math.min(2, delayMsMax)),
    delayMsMax: Math.max(delayMsMax, 2),
    piecesMax: dice.pick([1, 2, 5]),
    windowBytes,
  };
  const tables = Array.from({ length: dice.between(1, 4) }, (_, i) => tableOf(dice, `t${i}`, names));
  const rankers = dice.pick([1, 1, 2, 3]);
  const workers = dice.chance(0.3) ? 2 : 1;
  const plan: Omit<Plan, 'engines' | 'replicas'> = {
    ...{ nodes, rankers },
    workers,
    // Large lookups do not fit into small slots.
    slotBytes: largeKeys === 0 && dice.chance(0.2) ? smallSlotBytes : slotBytes,
    tables,
    recut: tables.map((table) =>
      dice.chance(0.5) ? { ...table, shards: shardsOf(dice, table.spec.rows, names) } : table,
    ),
    weather,
    ranker: {
      pushDown: dice.pick(['auto', 'always', 'never']),
      deduplicateBags: dice.chance(0.7),
      checksums: dice.chance(0.7),
      cache: dice.chance(0.5) ? 'off' : 2 ** dice.between(16, 18),
      replyBytes: dice.pick(largeKeys > 0 ? largeReplyBytes : replyBytes),
    },
    lookups: dice.between(30, 90),
    crowd,
    largeKeys,
    betweenMs: dice.pick([2, 10, 25]),
    faults: dice.between(0, 6),
    breaksCredits: dice.chance(0.5),
    dead: nodes > 1 && dice.chance(0.25) ? dice.pick(names) : undefined,
    scorer: dice.chance(0.35) ? scorerOf(dice) : undefined,
    apart:
      rankers > 1 && dice.chance(0.3)
        ? { ranker: dice.between(0, rankers - 1), node: dice.pick(names) }
        : undefined,
    shrinks: workers === 1 && dice.chance(0.3),
  };
  const engines = dice.chance(enginesShare) ? enginesOf(dice) : undefined;
  // Each engine has its part of it, and large lookups need as much as without engines.
  const bytes = plan.ranker.replyBytes * (engines?.engines ?? 1);
  const ranker = { ...plan.ranker, replyBytes: bytes };
  return withReplicas(dice, { ...plan, engines, ranker }, names);
}

function enginesOf(dice: Dice): EnginesPlan {
  const engines = dice.pick([1, 2, 2, 3, 3]);
  const small = {
    ringRecords: 8,
    requestBytes: 2 ** 14,
    resultBytes: 2 ** 16,
    sharedResultBytes: 1_024,
    peerBytes: 2 ** 14,
  };
  const hot = dice.between(0, engines - 1);
  const isSkewed = dice.chance(0.5);
  return {
    ...{ engines, messageMsMax: dice.pick([0.05, 0.5, 2]) },
    sizes: dice.chance(0.5) ? small : engineSizes(engines),
    busy: Array.from({ length: engines }, (_, i) => (isSkewed && i === hot ? 0.97 : 0.3)),
    moves: dice.pick([0, 3, 10, 30]),
    stalls: dice.pick([0, 0, 1, 4]),
    deaths: dice.pick([0, 0, 0, 1, 2]),
  };
}

/** Some seeds have every shard on two nodes. */
function withReplicas(dice: Dice, plan: Omit<Plan, 'replicas'>, names: readonly string[]): Plan {
  if (names.length === 1 || !dice.chance(0.35)) return { ...plan, replicas: 1 };
  const replicated = (all: readonly PlannedTable[]): PlannedTable[] =>
    all.map((table) => ({ ...table, shards: table.shards.map((shard) => withReplica(dice, shard, names)) }));
  return { ...plan, tables: replicated(plan.tables), recut: replicated(plan.recut), replicas: 2 };
}

/** The shard on another node too, if there is one. */
function withReplica(dice: Dice, shard: PlannedShard, nodes: readonly string[]): PlannedShard {
  const { node, begin, end } = shard;
  const others = nodes.filter((other) => other !== node);
  return others.length === 0 ? { node, begin, end } : { node, replicas: [dice.pick(others)], begin, end };
}

function scorerOf(dice: Dice): ScorerPlan {
  return {
    threads: dice.between(1, 2),
    batchCandidates: dice.pick([8, 16, 64]),
    batchDelay: dice.pick([0, 0, 5]),
    queueCandidates: dice.pick([16, 64, 256]),
    requests: dice.between(20, 60),
    betweenMs: dice.pick([2, 10, 25]),
  };
}

export function nodeNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `n${i}`);
}

function tableOf(dice: Dice, name: string, nodes: readonly string[]): PlannedTable {
  const rows = dice.between(1, dice.pick([8, 60, 400]));
  const missing = dice.chance(0.3) ? 'skip' : 'error';
  return {
    spec: {
      ...{ name, rows, dim: dice.pick([1, 3, 4, 8, 17, 32]), missing },
      ...{ mode: dice.pick(modes), dtype: dice.pick(dtypes) },
    },
    version: 1,
    indexed: false,
    // The ranker's cache keeps bags of a table when its shards move, if it knows that the rows are the same.
    content: Array.from({ length: 4 }, () => dice.u32().toString(16).padStart(8, '0')).join(''),
    shards: shardsOf(dice, rows, nodes),
  };
}

function shardsOf(dice: Dice, rows: number, nodes: readonly string[]): PlannedTable['shards'] {
  const cuts = Array.from({ length: dice.pick([0, 0, 1, 2, 4]) }, () => dice.between(1, rows));
  const ends = [...new Set([...cuts, rows])].sort((a, b) => a - b);
  return ends.map((end, i) => ({ node: dice.pick(nodes), begin: ends[i - 1] ?? 0, end }));
}

/** A table and its cuts, on which the bits of its bags depend. */
export function cutOf({ spec, shards }: PlannedTable): string {
  return `${spec.name} ${shards.map(({ end }) => end)}`;
}

/** The same tables, with some shards on other nodes. */
export function movedTables(
  dice: Dice,
  tables: RoutingTable['tables'],
  nodes: readonly string[],
): RoutingTable['tables'] {
  return tables.map((table) => ({
    ...table,
    // A node that is not in the list is dead.
    shards: table.shards.map((shard) => {
      if (!dice.chance(0.4)) return shard;
      const moved = { ...shard, node: dice.pick(nodes) };
      return shard.replicas === undefined ? moved : withReplica(dice, moved, nodes);
    }),
  }));
}

/** The cuts of a table in some routing tables. */
export function cutsOf(routings: readonly RoutingTable[], name: string): string[] {
  return routings.flatMap(({ tables }) => tables.filter(({ spec }) => spec.name === name).map(cutOf));
}

/** The nodes that hold each shard of these tables, in some routing tables. */
export function setsOf(routings: readonly RoutingTable[], names: ReadonlySet<string>): ReadonlySet<string>[] {
  const tables = routings.flatMap((routing) => routing.tables).filter(({ spec }) => names.has(spec.name));
  return tables.flatMap(({ shards }) => shards.map((shard) => new Set(holdersOf(shard))));
}
