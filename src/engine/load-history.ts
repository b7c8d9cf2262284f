import { balanceBusyMin, balanceQueuedMin, balanceWindowsMax } from '../engine-limits.ts';
import { invalidAt } from '../errors.ts';

/** What one connection did in a window. */
export interface ConnectionLoad {
  /** The engine that serves it. */
  readonly owner: number;
  /** Work, in any unit in proportion to the time that it takes: for example subrequests, plus bytes divided by a constant. */
  readonly work: number;
  /** Mean number of subrequests that waited. */
  readonly queued: number;
}

/** What one engine did in a window. */
export interface EngineLoad {
  /** The share of the window in which its thread was busy: 0 … 1. */
  readonly busy: number;
}

/** One observation. */
export interface LoadWindow {
  /** The share of an engine's time that each connection took. */
  readonly shares: Float64Array;
  readonly busy: Float64Array;
  /** Subrequests that waited for each engine. */
  readonly queued: Float64Array;
}

/**
 * The loads of the last windows. They are kept per connection, so they also say what the load of engines would have been with other
 * owners.
 */
export class LoadHistory {
  /** The newest is first. */
  readonly windows: LoadWindow[] = [];

  /** All windows that are kept must be of the same connections and engines. @throws FlexemrError if a load is impossible */
  add(connections: readonly ConnectionLoad[], engines: readonly EngineLoad[]): void {
    check(connections, engines);
    this.windows.unshift(windowOf(connections, engines));
    if (this.windows.length > balanceWindowsMax) this.windows.pop();
  }

  clear(): void {
    this.windows.length = 0;
  }

  /** Whether some engine was overloaded in the last window. If none was, there is nothing to do. */
  get isOverloaded(): boolean {
    return this.windows.length > 0 && isPressed(this.windows[0]);
  }

  /** The load that each engine would have had in each window, if connections had always had these owners. */
  engineLoads(connections: readonly ConnectionLoad[]): Float64Array[] {
    const owners = Uint32Array.from(connections, ({ owner }) => owner);
    return this.windows.map(({ shares, busy }) => {
      const loads = new Float64Array(busy.length);
      for (let c = 0; c < owners.length; c++) loads[owners[c]] += shares[c];
      return loads;
    });
  }
}

export function isOverloaded({ busy, queued }: LoadWindow, engine: number): boolean {
  return busy[engine] >= balanceBusyMin || queued[engine] >= balanceQueuedMin;
}

/** Whether some engine is overloaded. */
export function isPressed(window: LoadWindow): boolean {
  return window.busy.some((_, engine) => isOverloaded(window, engine));
}

function check(connections: readonly ConnectionLoad[], engines: readonly EngineLoad[]): void {
  for (const [engine, { busy }] of engines.entries()) checkLoad('busy', engine, busy);
  for (const [connection, { owner, work, queued }] of connections.entries()) {
    if (!(owner in engines))
      throw invalidAt(
        'INVALID_OPTION',
        'owner',
        connection,
        owner,
        `is none of the ${engines.length} engines`,
      );
    checkLoad('work', connection, work);
    checkLoad('queued', connection, queued);
  }
}

function checkLoad(field: string, position: number, load: number): void {
  if (load >= 0 && load < Number.POSITIVE_INFINITY) return;
  throw invalidAt('INVALID_OPTION', field, position, load, 'must be a finite number, and not negative');
}

/** Divides the time in which an engine was busy among its connections, in proportion to their work. */
function windowOf(connections: readonly ConnectionLoad[], engines: readonly EngineLoad[]): LoadWindow {
  const busy = Float64Array.from(engines, (engine) => engine.busy);
  const work = new Float64Array(engines.length);
  const queued = new Float64Array(engines.length);
  for (const connection of connections) {
    work[connection.owner] += connection.work;
    queued[connection.owner] += connection.queued;
  }
  const shares = Float64Array.from(connections, (connection) =>
    connection.work > 0 ? (busy[connection.owner] * connection.work) / work[connection.owner] : 0,
  );
  return { shares, busy, queued };
}
