// From the metrics of a ranker to the figures of the page, and their history.
import { describe, expect, test } from 'vitest';
import { figuresOf } from '../../page/figures.js';
import { History } from '../../page/history.js';
import { Scrape } from '../../page/metrics.js';
import { bytes, duration, seconds, tick, write } from '../../page/units.js';
import { FakeRanker } from '../service/fake-ranker.ts';

/** A counter that grows by 10 per second, at some second. */
const counted = (second: number): Scrape =>
  new Scrape(`flexemr_scorer_requests_total ${10 * second}`, 1_000 * second);

describe('figures', () => {
  test('of one scrape are gauges and totals only', async () => {
    const { requests, latency, queue, totals } = figuresOf(
      undefined,
      new Scrape(await new FakeRanker([]).tick(), 0),
    );
    expect({ requests, latency }).toEqual({
      requests: undefined,
      latency: { p50: undefined, p99: undefined },
    });
    expect(queue).toBeGreaterThan(0);
    expect(totals.requests).toBeGreaterThan(0);
  });

  test('of two scrapes are complete', async () => {
    const ranker = new FakeRanker(['a', 'b']);
    const before = new Scrape(await ranker.tick(), 0);
    ranker.kill('b');
    const figures = figuresOf(before, new Scrape(await ranker.tick(), 1_000));
    const leaves = (value: unknown): unknown[] =>
      typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [value];
    expect(leaves(figures)).not.toContain(undefined);
    expect(leaves(figures)).not.toContain(Number.NaN);
    expect(figures.remote?.nodes).toMatchObject([
      { name: 'a', up: true, workers: 8, errors: [] },
      // The code is new: all of its errors happened since the scrape before.
      { name: 'b', up: false, workers: 8, errors: [{ code: 'UNAVAILABLE', rate: expect.any(Number) }] },
    ]);
    expect(figures.remote?.nodes[1].errors[0].rate).toBeGreaterThan(0);
    expect(figures.stages.map(({ stage }) => stage)).toEqual(['lookup', 'bottom', 'top']);
  });

  test('name no nodes if the tables are in the process of the ranker', async () => {
    expect(figuresOf(undefined, new Scrape(await new FakeRanker([]).tick(), 0)).remote).toBeUndefined();
  });
});

describe('the history', () => {
  test('has rates of the last five seconds', () => {
    const history = new History();
    const rates = [0, 1, 2, 3, 4, 5, 6, 7].map((second) => {
      // Between 6 and 7 comes a burst.
      const text = `flexemr_scorer_requests_total ${10 * second + (second === 7 ? 50 : 0)}`;
      return history.add(new Scrape(text, 1_000 * second)).requests;
    });
    expect(rates).toEqual([undefined, 10, 10, 10, 10, 10, 10, 20]);
  });

  test('has a gap instead of a line over time in which nobody asked', () => {
    const history = new History();
    for (const second of [0, 1, 20, 21]) history.add(counted(second));
    const requests = history.moments.map(({ figures }) => figures?.requests);
    expect(history.moments.map(({ at }) => at)).toEqual([0, 1_000, 19_999, 20_000, 21_000]);
    expect(history.moments[2].figures).toBeUndefined();
    expect(requests).toEqual([undefined, 10, undefined, undefined, 10]);
  });

  test('is in order and without wrong rates after the clock was set back', () => {
    const history = new History();
    for (const second of [100, 101, 102]) history.add(counted(second));
    history.add(new Scrape('flexemr_scorer_requests_total 1030', 50_000));
    history.add(new Scrape('flexemr_scorer_requests_total 1040', 51_000));
    const times = history.moments.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(history.last?.figures?.requests).toBe(10);
  });

  test('forgets what is older than five minutes', () => {
    const history = new History();
    for (let second = 0; second < 1_000; second++) history.add(counted(second));
    expect(history.moments.length).toBeLessThan(310);
    expect(history.moments[0].at).toBeLessThanOrEqual(999_000 - 300_000);
    expect(history.nearest(900_400)?.at).toBe(900_000);
  });
});

test('figures are written with three digits and their unit', () => {
  const shown = [undefined, 0, 0.2, 7, 9.996, 42.25, 1_234.5].map((value) => write(value));
  expect(shown).toEqual(['–', '0', '0.20', '7', '10.0', '42.3', '1,235']);
  const units = [write(0.00123, seconds), write(2.5, seconds), write(98_765, bytes), write(3.2e9, bytes)];
  expect(units).toEqual(
    ['1.23 ms', '2.50 s', '98.8 kB', '3.20 GB'].map((text) => text.replace(' ', '\u00a0')),
  );
  expect([tick(0, bytes), tick(0.025, seconds), tick(7.5e6, bytes)]).toEqual([
    '0',
    '25\u00a0ms',
    '7.5\u00a0MB',
  ]);
  const spans = [0, 59, 3_600, 90_061].map((span) => duration(span).replaceAll('\u00a0', ' '));
  expect(spans).toEqual(['0 s', '59 s', '1 h 0 min', '1 d 1 h']);
});
