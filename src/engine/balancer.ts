import {
  balanceMoveMsMax,
  balancePauseWindowsMax,
  balancePauseWindowsMin,
  balanceStayMsMax,
  balanceStayMsMin,
} from '../engine-limits.ts';
import { type ConnectionLoad, type EngineLoad, LoadHistory } from './load-history.ts';
import { type FoundStep, StepSearch } from './step.ts';

/** A connection is to be served by another engine. */
export interface Move {
  readonly connection: number;
  readonly from: number;
  readonly to: number;
}

/** How long a connection stays after its last move. */
interface Stay {
  readonly untilMs: number;
  readonly ms: number;
}

/**
 * Says which connection moves to which engine, so that no engine is overloaded while another one has time. It has no clock and no
 * thread: what it says depends only on what it was told.
 */
export class Balancer {
  readonly #history = new LoadHistory();
  readonly #stays = new Map<number, Stay>();
  #counts = '';
  /** Moves of a step that are still to be made. The first one was said at `#saidMs`, and may not have happened yet. */
  #moves: readonly Move[] = [];
  #saidMs = 0;
  /** The last step, until it is clear whether it helped. */
  #judged: FoundStep | undefined;
  #pauseWindows = balancePauseWindowsMin;
  /** Windows since the last step. */
  #windows = 0;

  /**
   * Is told what happened in a window: once every `balanceWindowMs`.
   * @param nowMs of a clock that never goes back
   * @returns a move to make now. None follows before `owner` of the connection has changed, or after `balanceMoveMsMax`
   */
  observe(
    nowMs: number,
    connections: readonly ConnectionLoad[],
    engines: readonly EngineLoad[],
  ): Move | undefined {
    this.#forgetOthers(`${connections.length} ${engines.length}`);
    this.#history.add(connections, engines);
    if (this.#moves.length > 0) return this.#continue(nowMs, connections);
    this.#windows++;
    if (this.#windows < this.#pauseWindows) return undefined;
    if (this.#judged === undefined && !this.#history.isOverloaded) return undefined;
    const search = new StepSearch(this.#history, connections);
    this.#judge(search);
    if (this.#windows < this.#pauseWindows) return undefined;
    const step = search.best((connection) => nowMs >= (this.#stays.get(connection)?.untilMs ?? 0));
    return step && this.#begin(step, nowMs);
  }

  /** If there are more connections or engines, or fewer, numbers may mean others than before. */
  #forgetOthers(counts: string): void {
    if (counts === this.#counts) return;
    this.#counts = counts;
    this.#history.clear();
    this.#stays.clear();
    this.#moves = [];
    this.#judged = undefined;
    this.#windows = 0;
  }

  #begin(step: FoundStep, nowMs: number): Move {
    const { connection, from, to, back } = step;
    const move = { connection, from, to };
    this.#judged = step;
    this.#moves = back === undefined ? [move] : [move, { connection: back, from: to, to: from }];
    this.#saidMs = nowMs;
    return move;
  }

  /** Waits until a move has happened, then says the next one of the step. */
  #continue(nowMs: number, connections: readonly ConnectionLoad[]): Move | undefined {
    const [{ connection, from, to }, next] = this.#moves;
    const { owner } = connections[connection];
    if (owner === from && nowMs - this.#saidMs < balanceMoveMsMax) return undefined;
    this.#stay(connection, nowMs);
    const isWanted = owner === to && next !== undefined && connections[next.connection].owner === next.from;
    this.#moves = isWanted ? [next] : [];
    this.#saidMs = nowMs;
    if (isWanted) return next;
    this.#windows = 1;
    if (owner !== to || next !== undefined) {
      this.#judged = undefined;
      this.#pauseLonger();
    }
    return undefined;
  }

  #stay(connection: number, nowMs: number): void {
    const last = this.#stays.get(connection);
    // A connection that moves all the time is one whose load goes to and fro.
    const isSoon = last !== undefined && nowMs < last.untilMs + 4 * last.ms;
    const ms = isSoon ? Math.min(2 * last.ms, balanceStayMsMax) : balanceStayMsMin;
    this.#stays.set(connection, { untilMs: nowMs + ms, ms });
  }

  /** After the pause: a step helped if undoing it would cost half of what it was to gain. */
  #judge(search: StepSearch): void {
    if (this.#judged === undefined) return;
    const { connection, from, to, back, gain } = this.#judged;
    const undone = { connection, from: to, to: from, back };
    this.#judged = undefined;
    const helped = -search.meanGain(undone, this.#windows) >= gain / 2;
    if (helped) this.#pauseWindows = Math.max(this.#pauseWindows / 2, balancePauseWindowsMin);
    else this.#pauseLonger();
  }

  #pauseLonger(): void {
    this.#pauseWindows = Math.min(2 * this.#pauseWindows, balancePauseWindowsMax);
  }
}
