// What a seed decides of a cluster that changes, before its simulation begins.
import { stagingBytes } from '../../src/memory-node/writer-arena.ts';
import { type Split, splits } from '../../src/plan/planner.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { Weather } from '../../src/simulation/pipe.ts';
import type { LocalClock } from '../../src/simulation/processor.ts';
import type { LogPlan } from './simulated-log.ts';
import type { TruthPlan } from './truth.ts';

/** One of so many seeds has a cluster that changes. */
const everySeed = 4;

/** What happens to the log of row updates, and to those who follow it. */
export type UpdateFault = 'lose' | 'remake' | 'log away' | 'cut log' | 'kill updates';

export interface UpdatesPlan {
  /** Those that take updates. The first table never does: its rows say which version has answered. */
  readonly tables: readonly number[];
  readonly writers: number;
  /** Mean time between two updates of a writer. */
  readonly betweenMs: number;
  /** Share of writes of rows that have to wait, because workers read rows for too long. */
  readonly busyShare: number;
  readonly log: LogPlan;
}

export type ChangeFault =
  | 'restart'
  | 'away'
  | 'cut ranker'
  | 'cut node'
  | 'leases'
  | 'leases at flip'
  | 'empty'
  | 'back'
  | 'deafen'
  | 'missing'
  | 'kill ranker'
  | 'slow'
  | UpdateFault;

export interface ChangesPlan {
  readonly nodes: number;
  readonly rankers: number;
  readonly workers: number;
  readonly replicas: number;
  readonly split: Split;
  readonly headroom: number;
  readonly slotBytes: number;
  /** Of each table. */
  readonly rows: readonly number[];
  /** Some versions have more rows than these. */
  readonly grows: boolean;
  readonly weather: Weather;
  readonly truth: TruthPlan;
  /** Of nodes, and of rankers. */
  readonly clocks: readonly LocalClock[];
  readonly cache: number | 'off';
  /** Mean time between two lookups of a ranker. */
  readonly betweenMs: number;
  /** Until a message reaches another thread of a node. */
  readonly messageMsMax: number;
  readonly shardMsMax: number;
  /** Some replies of nodes wait so long. */
  readonly replyMsMax: number;
  /** Changes, one after the other. `rebalance` moves tables. */
  readonly changes: readonly ('swap' | 'rebalance')[];
  /** Share of commands that are killed, and of those that have a rival. */
  readonly killShare: number;
  readonly rivalShare: number;
  readonly faults: readonly ChangeFault[];
  /** Undefined: rows do not change. */
  readonly updates?: UpdatesPlan | undefined;
}

const allFaults: readonly ChangeFault[] = [
  ...(['restart', 'restart', 'restart', 'away', 'cut ranker', 'cut node', 'leases', 'empty'] as const),
  ...(['back', 'deafen', 'missing', 'kill ranker', 'slow', 'leases at flip'] as const),
];

const slotBytes = 2 ** 19;

/** Seconds, and so much of a second in a second. */
const aheadMsMax = 5_000;
const driftMax = 0.01;

export function changesOf(seed: number, dice: Dice): ChangesPlan | undefined {
  return seed % everySeed === 0 ? changesPlan(dice) : undefined;
}

function changesPlan(dice: Dice): ChangesPlan {
  const nodes = dice.between(2, 3);
  const rankers = dice.between(1, 2);
  const workers = dice.pick([1, 1, 2]);
  const delayMsMax = dice.pick([1, 3, 10]);
  const isSwapOnly = dice.chance(0.5);
  return {
    ...{ nodes, rankers, workers, slotBytes: workers * slotBytes },
    replicas: dice.pick([1, 2]),
    split: dice.pick(splits),
    headroom: dice.pick([0, 1]),
    rows: Array.from({ length: dice.between(1, 3) }, () => dice.between(4, dice.pick([40, 1_000]))),
    grows: dice.chance(0.2),
    weather: {
      delayMsMin: 0,
      delayMsMax,
      piecesMax: dice.pick([1, 2]),
      windowBytes: 2 ** 20,
    },
    truth: {
      delayMsMax: dice.pick([2, 20, 200]),
      lateShare: dice.pick([0, 0.02, 0.1]),
      lateMsMax: 3_000,
      lostShare: dice.pick([0, 0, 0.05]),
      clock: clockOf(dice),
    },
    clocks: Array.from({ length: nodes + rankers }, () => clockOf(dice)),
    cache: dice.pick(['off', 2 ** 17]),
    betweenMs: dice.pick([60, 150, 300]),
    messageMsMax: dice.pick([0.1, 0.1, 200]),
    shardMsMax: dice.pick([5, 50, 400]),
    replyMsMax: dice.pick([0, 0, 20, 300]),
    changes: Array.from({ length: dice.between(1, 3) }, () =>
      isSwapOnly || dice.chance(0.6) ? 'swap' : 'rebalance',
    ),
    killShare: dice.pick([0, 0.3, 0.7]),
    rivalShare: dice.pick([0, 0.3]),
    faults: Array.from({ length: dice.between(0, 4) }, () => dice.pick(allFaults)),
  };
}

function clockOf(dice: Dice): LocalClock {
  return { aheadMs: dice.between(0, aheadMsMax), rate: 1 + (2 * dice.share() - 1) * driftMax };
}

/** One of so many seeds has a cluster whose rows change. It has no other one that changes. */
const everyUpdatedSeed = 8;

const faultsOfUpdated: readonly ChangeFault[] = [
  ...(['lose', 'lose', 'lose', 'remake', 'log away', 'log away', 'cut log'] as const),
  ...(['restart', 'restart', 'missing', 'slow', 'kill ranker', 'away'] as const),
  ...(['kill updates', 'kill updates', 'kill updates'] as const),
];

export function updatedOf(seed: number, dice: Dice): ChangesPlan | undefined {
  if (seed % everyUpdatedSeed !== 1) return undefined;
  const plan = changesPlan(dice);
  const rows = [4, ...Array.from({ length: dice.between(1, 2) }, () => dice.between(4, dice.pick([8, 60])))];
  return {
    ...plan,
    ...{ rows, grows: false, killShare: 0, rivalShare: 0 },
    slotBytes: plan.slotBytes + 2 ** Math.ceil(Math.log2(stagingBytes)),
    changes: dice.chance(0.5) ? ['swap'] : [],
    faults: Array.from({ length: dice.between(1, 5) }, () => dice.pick(faultsOfUpdated)),
    updates: {
      tables: rows.map((_, table) => table).slice(1),
      writers: dice.between(1, 3),
      betweenMs: dice.pick([50, 200, 600]),
      busyShare: dice.pick([0, 0, 0.2]),
      log: {
        delayMsMax: dice.pick([1, 5, 50]),
        lateShare: dice.pick([0, 0, 0.05]),
        lateMsMax: 2_000,
        lostShare: dice.pick([0, 0, 0.05]),
        lagShare: dice.pick([0, 0, 0.2]),
        lagMsMax: dice.pick([10, 300]),
        laxShare: dice.pick([0, 0.5]),
      },
    },
  };
}
