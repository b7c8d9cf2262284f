// A model of engines on simulated time: engines serve the demands of their connections, window by window. It has no threads and no
// network, so it says what a policy decides, and nothing about how fast an engine is.
import type { Move } from '../../src/engine/balancer.ts';
import type { ConnectionLoad, EngineLoad } from '../../src/engine/load-history.ts';
import { balanceWindowMs } from '../../src/engine-limits.ts';

/** What moves connections. The product says at most one move a window. Others may say many. */
export interface Policy {
  observe(
    nowMs: number,
    connections: readonly ConnectionLoad[],
    engines: readonly EngineLoad[],
  ): readonly Move[];
}

/**
 * How demands depend on each other. `lookups`: each lookup waits for all of its connections, so the most loaded engine limits
 * all of them. `independent`: each connection has its own callers, and what an engine cannot serve waits, up to a bound.
 */
export type Coupling = 'lookups' | 'independent';

/** Work that may wait for one connection, in windows of an engine: callers have only so many subrequests in flight. */
const waitingMax = 2;
/** Subrequests in one window of an engine. */
const subrequestsPerWindow = 1_000;
/** What a move costs both engines, in windows: 1 ms. */
const moveCost = 0.01;

export class EngineModel {
  readonly owners: number[];
  moves = 0;
  #window = 0;
  readonly #engines: number;
  readonly #coupling: Coupling;
  readonly #waiting: Float64Array;
  /** Time that moves take from each engine in the next window. */
  #lost: Float64Array;

  constructor(owners: readonly number[], engines: number, coupling: Coupling) {
    this.owners = [...owners];
    this.#engines = engines;
    this.#coupling = coupling;
    this.#waiting = new Float64Array(owners.length);
    this.#lost = new Float64Array(engines);
  }

  get nowMs(): number {
    return this.#window * balanceWindowMs;
  }

  /**
   * One window.
   * @param demands of connections, as shares of an engine's time
   * @returns what was served, in the same unit
   */
  step(demands: ArrayLike<number>, policy?: Policy): number {
    const served = this.#coupling === 'lookups' ? this.#serveLookups(demands) : this.#serveEach(demands);
    const busy = this.#sums(served).map((load, engine) => Math.min(1, load + this.#lost[engine]));
    this.#lost = new Float64Array(this.#engines);
    this.#window++;
    const connections = this.owners.map((owner, c) => {
      const work = served[c] * subrequestsPerWindow;
      return { owner, work, queued: this.#waiting[c] * subrequestsPerWindow };
    });
    const engines = Array.from(busy, (share) => ({ busy: share }));
    for (const move of policy?.observe(this.nowMs, connections, engines) ?? []) this.#move(move);
    return served.reduce((sum, work) => sum + work, 0);
  }

  #move({ connection, from, to }: Move): void {
    if (this.owners[connection] !== from || from === to) throw new Error('the model got an impossible move');
    this.owners[connection] = to;
    this.#lost[from] += moveCost;
    this.#lost[to] += moveCost;
    this.moves++;
  }

  /** As many lookups as the engine with least time for its part of one can serve. */
  #serveLookups(demands: ArrayLike<number>): Float64Array {
    const all = Float64Array.from(demands);
    const loads = this.#sums(all);
    const time = this.#time();
    let part = 1;
    for (const [engine, load] of loads.entries()) if (load > 0) part = Math.min(part, time[engine] / load);
    for (const [c, owner] of this.owners.entries())
      this.#waiting[c] = part < 1 && loads[owner] * part > time[owner] - 1e-9 ? waitingMax * all[c] : 0;
    return all.map((demand) => demand * part);
  }

  #serveEach(demands: ArrayLike<number>): Float64Array {
    const wanted = this.#waiting.map((waiting, c) => waiting + demands[c]);
    const loads = this.#sums(wanted);
    const time = this.#time();
    const served = wanted.map((work, c) => {
      const engine = this.owners[c];
      return loads[engine] > time[engine] ? (work * time[engine]) / loads[engine] : work;
    });
    for (const [c, work] of wanted.entries()) this.#waiting[c] = Math.min(waitingMax, work - served[c]);
    return served;
  }

  #time(): Float64Array {
    return this.#lost.map((lost) => Math.max(0, 1 - lost));
  }

  #sums(work: Float64Array): Float64Array {
    const sums = new Float64Array(this.#engines);
    for (const [c, owner] of this.owners.entries()) sums[owner] += work[c];
    return sums;
  }
}

/** Connection c belongs to engine c modulo engines. */
export function roundRobin(connections: number, engines: number): number[] {
  return Array.from({ length: connections }, (_, c) => c % engines);
}
