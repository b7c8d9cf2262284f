// What simulated rankers look up.
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { loadOf, type TableLoads } from '../plan/prediction.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { Dice } from './dice.ts';

/** One lookup. */
export interface Asked {
  readonly bags: KeyedBags;
  readonly features: number;
  readonly keys: number;
}

/** Draws lookups. */
export type Workload = (dice: Dice) => Asked;

/** Lookups that were recorded, in any order. @param lookups of one bag per table: the keys of each table */
export function recordedWorkload(lookups: readonly KeyedBags[]): Workload {
  const all = lookups.map(askedOf);
  return (dice) => dice.pick(all);
}

/**
 * Lookups with so many bags and keys on average. Of a mean between two whole numbers, both occur.
 * @param skew exponent of Zipf's law, by which some rows are asked for more often than others. 0: all are equally likely
 */
export function syntheticWorkload({ tables }: RoutingTable, loads: TableLoads, skew: number): Workload {
  const all = tables.map(({ spec }) => {
    const { bagsPerRequest = 1, keysPerBag = 1 } = loadOf(loads, spec.name);
    return { name: spec.name, rows: spec.rows, bagsPerRequest, keysPerBag };
  });
  return (dice) => {
    const features: [string, Bags & { readonly table: string }][] = [];
    for (const [i, { name, rows, bagsPerRequest, keysPerBag }] of all.entries()) {
      const lengths = Array.from({ length: near(dice, bagsPerRequest) }, () => near(dice, keysPerBag));
      if (lengths.length === 0) continue;
      const count = lengths.reduce((sum, length) => sum + length, 0);
      const keys = Uint32Array.from({ length: count }, () => drawnRow(dice, rows, skew));
      features.push([`f${i}`, { table: name, keys, lengths }]);
    }
    return askedOf(Object.fromEntries(features));
  };
}

function near(dice: Dice, mean: number): number {
  const few = Math.floor(mean);
  return few + Number(dice.chance(mean - few));
}

/** Rows that are asked for often are spread over the table. */
function drawnRow(dice: Dice, rows: number, skew: number): number {
  if (skew === 0) return Math.floor(dice.share() * rows);
  const share = dice.share();
  const rank = skew === 1 ? rows ** share : ((rows ** (1 - skew) - 1) * share + 1) ** (1 / (1 - skew));
  return (Math.imul(Math.floor(rank), 0x9e3779b1) >>> 0) % rows;
}

function askedOf(bags: KeyedBags): Asked {
  const all = Object.values(bags);
  return { bags, features: all.length, keys: all.reduce((sum, { keys }) => sum + keys.length, 0) };
}
