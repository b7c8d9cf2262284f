import { describe, expect, test } from 'vitest';
import { rowUses, statisticsOf, usedMoreThan } from '../../bench/cache/statistics.ts';
import type { Trace } from '../../bench/cache/trace.ts';
import { UserHistories } from '../../bench/cache/traces/histories.ts';
import { meta2021, meta2022, metaTrace } from '../../bench/cache/traces/meta.ts';
import { sessionsTrace } from '../../bench/cache/traces/sessions.ts';
import { zipfTrace } from '../../bench/cache/traces/zipf.ts';
import { allTraces, sessionsShape } from '../../bench/cache/traces.ts';
import { randomWords } from '../../bench/data.ts';

/** Shares of rows and accesses, in percent: at most one point, or a tenth of the figure, from the published ones. */
function expectUses(uses: Uint32Array, times: number, rows: number, accesses: number): void {
  const got = usedMoreThan(times, uses);
  expect(Math.abs(got.rows * 100 - rows)).toBeLessThan(Math.min(1, rows / 10));
  expect(Math.abs(got.accesses * 100 - accesses)).toBeLessThan(1);
}

test("batches have the published statistics of Meta's of 2021", () => {
  const trace = metaTrace('meta', meta2021, { tables: 16, samples: 2_048 }, 1);
  const uses = rowUses(trace);
  expectUses(uses, 1, 52.7, 93.1);
  expectUses(uses, 8, 12.4, 72);
  expectUses(uses, 64, 0.8, 42);
  const { pooling, uses: all, distinctRows } = statisticsOf(trace, uses);
  expect(Math.abs(pooling / 15.8 - 1)).toBeLessThan(0.05);
  expect(Math.abs(all / distinctRows / (887 / 128.4) - 1)).toBeLessThan(0.02);
});

test("batches have the published statistics of Meta's of 2022", () => {
  const trace = metaTrace('meta', meta2022, { tables: 16, samples: 2_048 }, 1);
  const uses = rowUses(trace);
  expectUses(uses, 16, 11.4, 74);
  expect(Math.abs(statisticsOf(trace, uses).pooling / 13.6 - 1)).toBeLessThan(0.05);
});

test.for([0.6, 0.8, 1, 1.2])('rows follow the law of Zipf with exponent %d', (exponent) => {
  const [rows, accesses] = [1_000, 200_000];
  const uses = rowUses(zipfTrace('zipf', { rows, dim: 4, exponent, accesses }, 1));
  const weights = Array.from({ length: rows }, (_, r) => (r + 1) ** -exponent);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const r of [0, 1, 9, 99]) {
    const expected = (weights[r] / total) * accesses;
    expect(Math.abs(uses[r] - expected)).toBeLessThan(5 * Math.sqrt(expected));
  }
});

test('popularity drifts: a new row takes the place of the most popular one', () => {
  const drift = { rows: 1_000, dim: 4, exponent: 1, accesses: 100_000, period: 1_000 };
  const trace = zipfTrace('drifting', drift, 1);
  const top = (from: number): number => {
    const uses = rowUses({ ...trace, accesses: trace.accesses.subarray(from, from + 1_000) });
    return uses.indexOf(Math.max(...uses));
  };
  expect([0, 1_000, 2_000, 99_000].map(top)).toEqual([0, 999, 998, 901]);
});

describe.each(allTraces(true))('$name', ({ make }) => {
  test('is the same trace every time, of segments in a table', () => {
    const [first, second] = [make(), make()];
    expect(Buffer.compare(bytesOf(first.accesses), bytesOf(second.accesses))).toBe(0);
    expect(Buffer.compare(bytesOf(first.rows), bytesOf(second.rows))).toBe(0);
    for (const [id, table] of first.tableOf.entries())
      for (let i = first.offsets[id]; i < first.offsets[id + 1]; i++)
        if (!(first.rows[i] >= first.firstRows[table] && first.rows[i] < first.firstRows[table + 1]))
          expect.fail(`row ${first.rows[i]} is not in table ${table}`);
  });
});

function bytesOf(array: Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

test('histories only grow, at their end, by a few keys', () => {
  const next = randomWords(1);
  const kind = { atLeast: 3, atMost: 9, grows: 0.5, byMost: 4 };
  const histories = new UserHistories([kind], next, () => next() % 1_000);
  let grown = 0;
  for (let user = 0; user < 50; user++) {
    let [before] = structuredClone(histories.visit(user));
    for (let visit = 0; visit < 20; visit++) {
      const [now] = structuredClone(histories.visit(user));
      expect(now.slice(0, before.length)).toEqual(before);
      expect(now.length - before.length).toBeLessThanOrEqual(kind.byMost);
      if (now.length > before.length) grown++;
      before = now;
    }
  }
  expect(grown / 1_000).toBeCloseTo(0.5, 1);
});

describe('sessions', () => {
  const shape = { ...sessionsShape(true), requests: 100 };
  const userOf = (trace: Trace): number[] => {
    return [...trace.accesses]
      .filter((id) => trace.tableOf[id] === 0)
      .map((id) => trace.rows[trace.offsets[id]]);
  };

  test('say each bag of the user once, and each candidate once', () => {
    const trace = sessionsTrace('sessions', shape, 1);
    const counts = new Uint32Array(trace.tables.length);
    for (const id of trace.accesses) counts[trace.tableOf[id]]++;
    expect([...counts.subarray(0, 7)]).toEqual(new Array(7).fill(shape.requests));
    expect(counts[7]).toBe(shape.requests * shape.candidates);
    // Candidates have few different categories.
    expect(counts[9]).toBeLessThanOrEqual(shape.requests * 40);
  });

  test('users come back as often as said', () => {
    const users = userOf(sessionsTrace('sessions', { ...shape, requests: 300, users: 1e6, backAfter: 3 }, 1));
    expect(1 - new Set(users).size / users.length).toBeCloseTo(shape.comesBack, 1);
  });
});
