// Runs a balancer in the model of engines, and records its moves.
import { bestStatic } from '../../bench/engines/best-static.ts';
import { noisy, randomNumbers, zipfDemands } from '../../bench/engines/demand.ts';
import { type Coupling, EngineModel, roundRobin } from '../../bench/engines/model.ts';
import { Balancer, type Move } from '../../src/engine/balancer.ts';
import type { ConnectionLoad, EngineLoad } from '../../src/engine/load-history.ts';
import { balanceWindowMs } from '../../src/engine-limits.ts';

export const secondWindows: number = 1_000 / balanceWindowMs;

export interface MadeMove extends Move {
  readonly atMs: number;
}

/** A balancer whose moves are remembered. */
export class RecordedBalancer {
  readonly moves: MadeMove[] = [];
  readonly #balancer = new Balancer();

  observe(
    nowMs: number,
    connections: readonly ConnectionLoad[],
    engines: readonly EngineLoad[],
  ): readonly Move[] {
    const move = this.#balancer.observe(nowMs, connections, engines);
    if (move === undefined) return [];
    this.moves.push({ ...move, atMs: nowMs });
    return [move];
  }

  /** Moves after so many seconds. */
  after(seconds: number): MadeMove[] {
    return this.moves.filter(({ atMs }) => atMs > seconds * 1_000);
  }
}

/** Whether a connection came back to an engine that it had left. */
export function goesBack(moves: readonly Move[]): boolean {
  return moves.some(({ connection, to }, i) =>
    moves.slice(0, i).some((earlier) => earlier.connection === connection && earlier.from === to),
  );
}

/** Engines, connections and skew of a seed. */
export class Case {
  readonly random: () => number;
  readonly connections: number;
  readonly engines: number;
  readonly #exponent: number;

  constructor(seed: number) {
    this.random = randomNumbers(seed);
    this.connections = 2 + Math.floor(this.random() * 9);
    this.engines = 2 + Math.floor(this.random() * 3);
    this.#exponent = 0.4 + this.random();
  }

  /** @param sum of all demands, as a share of what all engines can serve */
  demands(sum: number): Float64Array {
    return zipfDemands(this.connections, this.#exponent, sum * this.engines, this.random);
  }

  model(
    coupling: Coupling,
    owners: readonly number[] = roundRobin(this.connections, this.engines),
  ): EngineModel {
    return new EngineModel(owners, this.engines, coupling);
  }

  /** So many windows, of the loads that `demandsOf` gives. @returns the balancer */
  run(
    coupling: Coupling,
    windows: number,
    noise: number,
    demandsOf: (window: number) => Float64Array,
  ): RecordedBalancer {
    const balancer = new RecordedBalancer();
    const model = this.model(coupling);
    for (let i = 0; i < windows; i++) model.step(noisy(demandsOf(i), noise, this.random), balancer);
    return balancer;
  }

  /** Throughput from 2 s to 4 s after a shift of load, as a share of what the best static owners have. */
  shift(coupling: Coupling, noise: number, before: Float64Array, after: Float64Array): number {
    const balancer = new RecordedBalancer();
    const [model, best] = [this.model(coupling), this.model(coupling, bestStatic(after, this.engines))];
    for (let i = 0; i < 10 * secondWindows; i++) model.step(noisy(before, noise, this.random), balancer);
    let [ours, bests] = [0, 0];
    for (let i = 0; i < 4 * secondWindows; i++) {
      if (i === 2 * secondWindows) [ours, bests] = [0, 0];
      const demands = noisy(after, noise, this.random);
      ours += model.step(demands, balancer);
      bests += best.step(demands);
    }
    return ours / bests;
  }
}

/** The loads of engines that have a connection. */
export function loadsOf(demands: ArrayLike<number>, owners: readonly number[]): number[] {
  const loads = new Map<number, number>();
  for (const [c, owner] of owners.entries()) loads.set(owner, (loads.get(owner) ?? 0) + demands[c]);
  return [...loads.values()];
}

/** The load of the most loaded engine. */
export function peakLoad(demands: ArrayLike<number>, owners: readonly number[]): number {
  return Math.max(0, ...loadsOf(demands, owners));
}
