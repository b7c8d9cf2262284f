import { balanceWindowMs } from '../engine-limits.ts';
import { Balancer } from './balancer.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { EngineUse } from './engine-memory.ts';
import type { ConnectionLoad, EngineLoad } from './load-history.ts';

/** What engines do, and how a connection gets another engine. */
export interface BalancedEngines {
  readonly connections: ConnectionTable;
  readonly uses: readonly EngineUse[];
  move(connection: number, to: number): Promise<void>;
}

/** Moves connections from engines that are overloaded to others. */
export class Balancing {
  readonly #engines: BalancedEngines;
  readonly #balancer = new Balancer();
  readonly #timer: NodeJS.Timeout;
  /** At the begin of the window. */
  #work: ReadonlyMap<number, number> = new Map();
  #uses: readonly EngineUse[] = [];
  #moves = 0;

  constructor(engines: BalancedEngines) {
    this.#engines = engines;
    this.#timer = setInterval(() => this.#observe(), balanceWindowMs);
    this.#timer.unref();
  }

  /** Connections that have got another engine. */
  get moves(): number {
    return this.#moves;
  }

  #observe(): void {
    const states = [...this.#engines.connections.states()].sort(([a], [b]) => a - b);
    const { uses } = this.#engines;
    const connections = states.map(([number, { owner, work, queued }]): ConnectionLoad => {
      const before = this.#work.get(number) ?? work;
      return { owner, work: (work - before) >>> 0, queued: Math.max(0, queued) };
    });
    const engines = uses.map((use, i): EngineLoad => ({ busy: busyBetween(this.#uses[i] ?? use, use) }));
    this.#work = new Map(states.map(([number, { work }]) => [number, work]));
    this.#uses = uses;
    const move = this.#balancer.observe(performance.now(), connections, engines);
    if (move !== undefined) void this.#move(states[move.connection][0], move.to);
  }

  async #move(connection: number, to: number): Promise<void> {
    try {
      await this.#engines.move(connection, to);
      this.#moves++;
    } catch {
      // The engine has ended. All engines start again, with other owners.
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/**
 * The share of an engine's own time between two reports. It reports when it gets to it, not when windows end, so the time is its own. One
 * that does not get to it is busy.
 */
function busyBetween(before: EngineUse, now: EngineUse): number {
  const ms = now.atMs - before.atMs;
  if (ms <= 0) return before === now ? 0 : 1;
  return Math.min(1, Math.max(0, (now.busyMs - before.busyMs) / ms));
}
