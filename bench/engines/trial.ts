// One policy in one setting of the model: after a shift of load, under steady load, and while two loads take turns.
import { balanceWindowMs } from '../../src/engine-limits.ts';
import { bestStatic } from './best-static.ts';
import { noisy, randomNumbers, zipfDemands } from './demand.ts';
import { EngineModel, roundRobin } from './model.ts';
import type { NamedPolicy } from './policies.ts';

/** More is asked than can be served. */
const demand = 1.1;
export const noise = 0.1;
/** Windows for which a load lasts, if two take turns. */
export const turnWindows = 5;

export const windowsPerSecond: number = 1_000 / balanceWindowMs;
const phaseSeconds = 10;
const phaseWindows = phaseSeconds * windowsPerSecond;
const enough = 0.9;

export interface Setting {
  readonly exponent: number;
  readonly nodes: number;
  readonly engines: number;
}

export interface Shift {
  /** Throughput in the ten seconds after the shift, and in the ten after these, of the best static owners. */
  readonly first: number;
  readonly settled: number;
  /** Seconds after which a whole second has 90 % of the best throughput; infinite if it takes more than ten. */
  readonly seconds: number;
}

/** Load that becomes another one, at once. */
export function shift({ exponent, nodes, engines }: Setting, policy: NamedPolicy, seed: number): Shift {
  const random = randomNumbers(seed);
  const before = zipfDemands(nodes, exponent, demand * engines, random);
  const after = zipfDemands(nodes, exponent, demand * engines, random);
  const model = new EngineModel(roundRobin(nodes, engines), engines, 'lookups');
  const best = new EngineModel(bestStatic(after, engines), engines, 'lookups');
  const opened = policy.open();
  for (let i = 0; i < phaseWindows; i++) model.step(noisy(before, noise, random), opened);
  const pairs = Array.from({ length: 2 * phaseWindows }, () => {
    const demands = noisy(after, noise, random);
    return { ours: model.step(demands, opened), best: best.step(demands) };
  });
  const share = (from: number, count: number): number => {
    const part = pairs.slice(from, from + count);
    return part.reduce((sum, { ours }) => sum + ours, 0) / part.reduce((sum, { best }) => sum + best, 0);
  };
  let at = 0;
  while (at < phaseWindows && share(at, windowsPerSecond) < enough) at++;
  return {
    first: share(0, phaseWindows),
    settled: share(phaseWindows, phaseWindows),
    seconds: at < phaseWindows ? at / windowsPerSecond : Number.POSITIVE_INFINITY,
  };
}

export interface Course {
  readonly movesPerHour: number;
  /** Of the throughput of owners that are the best for the mean of all loads. */
  readonly share: number;
}

/** Ten minutes of steady load, after ten seconds to get used to it. If `turns`, two loads take turns. */
export function course(setting: Setting, policy: NamedPolicy, seed: number, turns: boolean): Course {
  const { exponent, nodes, engines } = setting;
  const random = randomNumbers(seed);
  const one = zipfDemands(nodes, exponent, demand * engines, random);
  const other = turns ? zipfDemands(nodes, exponent, demand * engines, random) : one;
  const model = new EngineModel(roundRobin(nodes, engines), engines, 'lookups');
  const mean = one.map((load, c) => (load + other[c]) / 2);
  const best = new EngineModel(bestStatic(mean, engines), engines, 'lookups');
  const opened = policy.open();
  const windows = 600 * windowsPerSecond;
  let [ours, bests, moves] = [0, 0, 0];
  for (let i = -phaseWindows; i < windows; i++) {
    if (i === 0) [ours, bests, moves] = [0, 0, model.moves];
    const demands = noisy(Math.floor(i / turnWindows) % 2 === 0 ? one : other, noise, random);
    ours += model.step(demands, opened);
    bests += best.step(demands);
  }
  return { movesPerHour: 6 * (model.moves - moves), share: ours / bests };
}
