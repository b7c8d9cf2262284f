// Counts of engines become moves of connections.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { randomNumbers } from '../../bench/engines/demand.ts';
import { type BalancedEngines, Balancing } from '../../src/engine/balancing.ts';
import { ConnectionTable } from '../../src/engine/connection-table.ts';
import type { EngineUse } from '../../src/engine/engine-memory.ts';
import { balanceWindowMs } from '../../src/engine-limits.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Engines whose connections take as many milliseconds of their threads in each window as `demandOf` says. */
class Engines implements BalancedEngines {
  readonly connections: ConnectionTable;
  uses: EngineUse[];
  /** Windows that pass until an engine reports its use. */
  lateness = (): number => 0;
  readonly #busyMs: number[];
  readonly moves: string[] = [];
  readonly #numbers: readonly number[];
  /** What a move waits for. */
  ready: Promise<void> = Promise.resolve();

  constructor(engines: number, urls: readonly string[]) {
    this.connections = new ConnectionTable(new SharedArrayBuffer(ConnectionTable.bytes), engines);
    this.#busyMs = new Array(engines).fill(0);
    this.uses = this.#busyMs.map((busyMs) => ({ busyMs, atMs: 0 }));
    this.#numbers = urls.map((url) => this.connections.numberOf(url) as number);
  }

  async move(connection: number, to: number): Promise<void> {
    await this.ready;
    this.moves.push(`${this.#numbers.indexOf(connection)} to ${to}`);
    this.connections.move(connection, to);
  }

  async run(windows: number, demandOf: (connection: number) => number): Promise<void> {
    for (let i = 0; i < windows; i++) {
      const demands = this.#busyMs.map(() => 0);
      for (const [place, number] of this.#numbers.entries()) {
        demands[this.connections.owner(number) ?? 0] += demandOf(place);
        this.connections.addWork(number, Math.round(demandOf(place) * 10));
      }
      for (const [engine, demand] of demands.entries())
        this.#report(engine, Math.min(1, demand / balanceWindowMs));
      await vi.advanceTimersByTimeAsync(balanceWindowMs);
    }
  }

  /** An engine is as busy all the time. */
  #report(engine: number, busy: number): void {
    const end = performance.now() + balanceWindowMs;
    const since = end - balanceWindowMs;
    const atMs = Math.max(this.uses[engine].atMs, end - this.lateness() * balanceWindowMs);
    const reported = this.#busyMs[engine] + busy * (atMs - since);
    if (atMs > this.uses[engine].atMs) this.uses = this.uses.with(engine, { busyMs: reported, atMs });
    this.#busyMs[engine] += busy * balanceWindowMs;
  }

  get owners(): number[] {
    return this.#numbers.map((number) => this.connections.owner(number) ?? 0);
  }
}

const urls = Array.from({ length: 6 }, (_, i) => `http://127.0.0.1:${9000 + i}`);

test('new connections are given to the engines in turn, and every engine finds the same number', () => {
  const buffer = new SharedArrayBuffer(ConnectionTable.bytes);
  const tables = [new ConnectionTable(buffer, 3), new ConnectionTable(buffer, 3)];
  const numbers = urls.map((url, i) => tables[i % 2].numberOf(url) as number);
  expect(new Set(numbers).size).toBe(urls.length);
  expect(urls.map((url, i) => tables[(i + 1) % 2].numberOf(url))).toEqual(numbers);
  expect(numbers.map((number) => tables[0].owner(number))).toEqual([0, 1, 2, 0, 1, 2]);
});

test('the first connections belong to every engine, and only the others are shared out and balanced', () => {
  const table = new ConnectionTable(new SharedArrayBuffer(ConnectionTable.bytes), 2, 3);
  const numbers = urls.map((url) => table.numberOf(url) as number);
  expect(numbers.map((number) => table.owner(number))).toEqual([undefined, undefined, undefined, 0, 1, 0]);
  expect([...table.states().keys()].sort()).toEqual(numbers.slice(3).sort());
});

test('a connection of an overloaded engine moves, and nothing moves afterwards', async () => {
  const engines = new Engines(2, urls);
  const balancing = new Balancing(engines);
  // Connections 0, 2 and 4 are owned by engine 0, which is overloaded. The others have little to do.
  const demandOf = (connection: number): number => (connection % 2 === 0 ? 40 : 5);
  await engines.run(60, demandOf);
  expect(engines.moves.length).toBeGreaterThan(0);
  const loads = [0, 1].map((engine) =>
    engines.owners.reduce((sum, owner, i) => sum + (owner === engine ? demandOf(i) : 0), 0),
  );
  expect(Math.max(...loads)).toBeLessThanOrEqual(95);
  const { length } = engines.moves;
  await engines.run(600, demandOf);
  expect(engines.moves.length).toBe(length);
  expect(balancing.moves).toBe(length);
  balancing.close();
});

test('engines that report late, and at times of their own, are balanced as well', async () => {
  const random = randomNumbers(5);
  const engines = new Engines(2, urls);
  const balancing = new Balancing(engines);
  engines.lateness = () => 0.9 * random();
  // Engine 0 has more to do than it can. That much of it is in no window, if windows are compared with the clock of another thread.
  const demandOf = (connection: number): number => (connection % 2 === 0 ? 38 : 24);
  await engines.run(30, demandOf);
  expect(engines.moves.length).toBeGreaterThan(0);
  const { length } = engines.moves;
  await engines.run(600, demandOf);
  expect(engines.moves.length - length).toBeLessThan(2);
  balancing.close();
});

test('nothing moves while engines have time, or after it is closed', async () => {
  const engines = new Engines(3, urls);
  const balancing = new Balancing(engines);
  await engines.run(100, (connection) => (connection === 0 ? 50 : 1));
  expect(engines.moves).toEqual([]);
  balancing.close();
  await engines.run(100, () => 90);
  expect(engines.moves).toEqual([]);
});

test('a move that fails is none, and others follow', async () => {
  const engines = new Engines(2, urls);
  const balancing = new Balancing(engines);
  engines.ready = Promise.reject(new Error('the engine has ended'));
  engines.ready.catch(() => {});
  const demandOf = (connection: number): number => (connection % 2 === 0 ? 40 : 5);
  await engines.run(100, demandOf);
  expect(balancing.moves).toBe(0);
  engines.ready = Promise.resolve();
  await engines.run(3_000, demandOf);
  expect(balancing.moves).toBeGreaterThan(0);
  balancing.close();
});
