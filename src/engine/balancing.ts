import { balanceWindowMs } from '../engine-limits.ts';
import { Balancer } from './balancer.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { ConnectionLoad, EngineLoad } from './load-history.ts';

/** What engines do, and how a connection gets another engine. */
export interface BalancedEngines {
  readonly connections: ConnectionTable;
  /** Milliseconds that each engine has been busy so far. */
  readonly busyMs: readonly number[];
  move(connection: number, to: number): Promise<void>;
}

/** Moves connections from engines that are overloaded to others. */
export class Balancing {
  readonly #engines: BalancedEngines;
  readonly #balancer = new Balancer();
  readonly #timer: NodeJS.Timeout;
  /** At the begin of the window. */
  #work: ReadonlyMap<number, number> = new Map();
  #busyMs: readonly number[] = [];
  #beganMs = performance.now();
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
    const now = performance.now();
    const states = [...this.#engines.connections.states()].sort(([a], [b]) => a - b);
    const { busyMs } = this.#engines;
    const connections = states.map(([number, { owner, work, queued }]): ConnectionLoad => {
      const before = this.#work.get(number) ?? work;
      return { owner, work: (work - before) >>> 0, queued: Math.max(0, queued) };
    });
    const engines = busyMs.map((ms, i): EngineLoad => {
      const busy = (ms - (this.#busyMs[i] ?? ms)) / (now - this.#beganMs);
      return { busy: Math.min(1, Math.max(0, busy)) };
    });
    this.#work = new Map(states.map(([number, { work }]) => [number, work]));
    this.#busyMs = [...busyMs];
    this.#beganMs = now;
    const move = this.#balancer.observe(now, connections, engines);
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
