// Counts of engines become moves of connections.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type BalancedEngines, Balancing } from '../../src/engine/balancing.ts';
import { ConnectionTable } from '../../src/engine/connection-table.ts';
import { balanceWindowMs } from '../../src/engine-limits.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Engines whose connections take as many milliseconds of their threads in each window as `demandOf` says. */
class Engines implements BalancedEngines {
  readonly connections: ConnectionTable;
  readonly busyMs: number[];
  readonly moves: string[] = [];
  readonly #numbers: readonly number[];
  /** What a move waits for. */
  ready: Promise<void> = Promise.resolve();

  constructor(engines: number, urls: readonly string[]) {
    this.connections = new ConnectionTable(new SharedArrayBuffer(ConnectionTable.bytes), engines);
    this.busyMs = new Array(engines).fill(0);
    this.#numbers = urls.map((url) => this.connections.numberOf(url) as number);
  }

  async move(connection: number, to: number): Promise<void> {
    await this.ready;
    this.moves.push(`${this.#numbers.indexOf(connection)} to ${to}`);
    this.connections.move(connection, to);
  }

  async run(windows: number, demandOf: (connection: number) => number): Promise<void> {
    for (let i = 0; i < windows; i++) {
      const demands = this.busyMs.map(() => 0);
      for (const [place, number] of this.#numbers.entries()) {
        demands[this.connections.owner(number) ?? 0] += demandOf(place);
        this.connections.addWork(number, Math.round(demandOf(place) * 10));
      }
      for (const [engine, demand] of demands.entries())
        this.busyMs[engine] += Math.min(balanceWindowMs, demand);
      await vi.advanceTimersByTimeAsync(balanceWindowMs);
    }
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
