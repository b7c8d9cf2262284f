// A lease is written in time, in order, and ended.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { leaseMs } from '../../src/cluster-limits.ts';
import { Lease } from '../../src/plan/lease.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** Where a lease is written, slowly. */
class Entry {
  readonly written: unknown[] = [];
  writing = 0;
  away: string | undefined;
  readonly #latencyMs: number;

  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  async put(value: object): Promise<void> {
    await this.#write(value);
  }

  async delete(): Promise<void> {
    await this.#write('deleted');
  }

  async #write(value: unknown): Promise<void> {
    expect(++this.writing).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, this.#latencyMs));
    this.writing--;
    if (this.away !== undefined) throw new Error(this.away);
    this.written.push(value);
  }
}

test('it is renewed three times before it would end', async () => {
  const entry = new Entry(1);
  const lease = new Lease(
    entry,
    () => ({}),
    (error) => expect.fail(error.message),
    () => {},
  );
  await vi.advanceTimersByTimeAsync(leaseMs);
  expect(entry.written.length).toBeGreaterThanOrEqual(3);
  expect(entry.written.length).toBeLessThan(6);
  const end = lease.close();
  await vi.advanceTimersByTimeAsync(10);
  await end;
  expect(entry.written.at(-1)).toBe('deleted');
  expect(vi.getTimerCount()).toBe(0);
});

test('a new value is written at once, and never replaced by an older one', async () => {
  const entry = new Entry(100);
  let plan = 0;
  const lease = new Lease(
    entry,
    () => ({ plan }),
    (error) => expect.fail(error.message),
    () => {},
  );
  for (plan = 1; plan <= 5; plan++) {
    lease.write();
    await vi.advanceTimersByTimeAsync(30);
  }
  plan = 6;
  lease.write();
  await vi.advanceTimersByTimeAsync(200);
  const plans = entry.written.map((value) => (value as { plan: number }).plan);
  expect(plans.at(-1)).toBe(6);
  expect(plans).toEqual([...plans].sort());
  void lease.close();
  await vi.advanceTimersByTimeAsync(200);
});

test('nothing is written until there is something to say', async () => {
  const entry = new Entry(1);
  let value: object | undefined;
  const lease = new Lease(
    entry,
    () => value,
    (error) => expect.fail(error.message),
    () => {},
  );
  await vi.advanceTimersByTimeAsync(leaseMs);
  expect(entry.written).toEqual([]);
  value = { plan: 1 };
  lease.write();
  await vi.advanceTimersByTimeAsync(10);
  expect(entry.written).toEqual([{ plan: 1 }]);
  void lease.close();
  await vi.advanceTimersByTimeAsync(10);
});

test('an error is told once, and the lease comes back by itself', async () => {
  const entry = new Entry(1);
  const errors: string[] = [];
  const lease = new Lease(
    entry,
    () => ({}),
    ({ message }) => errors.push(message),
    () => {},
  );
  entry.away = 'away';
  await vi.advanceTimersByTimeAsync(5 * leaseMs);
  expect(errors).toEqual(['away']);
  entry.away = undefined;
  await vi.advanceTimersByTimeAsync(leaseMs / 3);
  expect(entry.written.length).toBeGreaterThan(0);
  entry.away = 'away';
  await vi.advanceTimersByTimeAsync(leaseMs);
  expect(errors).toEqual(['away', 'away']);
  void lease.close();
  await vi.advanceTimersByTimeAsync(10);
  expect(errors).toEqual(['away', 'away']);
});
