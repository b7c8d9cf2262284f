// What the page reads and computes: the text format, rates and quantiles between two scrapes.
import fc from 'fast-check';
import { Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { increase, quantile, rate, Scrape } from '../../page/metrics.js';

const bounds = [0.001, 0.0025, 0.005, 0.01, 0.1, 1];
const values = fc.array(fc.double({ min: 1e-4, max: 2, noNaN: true }), { maxLength: 60 });
const some = fc.array(fc.double({ min: 1e-4, max: 2, noNaN: true }), { minLength: 1, maxLength: 60 });

/** The histogram of values as prom-client writes it and the page reads it. */
async function histogramOf(
  observed: readonly number[],
): Promise<NonNullable<ReturnType<Scrape['histogram']>>> {
  const registry = new Registry();
  const histogram = new Histogram({ name: 'h', help: 'h', buckets: bounds, registers: [registry] });
  for (const value of observed) histogram.observe(value);
  const read = new Scrape(await registry.metrics(), 0).histogram('h');
  if (!read) throw new Error('no histogram');
  return read;
}

describe('the parser', () => {
  test('reads back every label and value that prom-client writes', async () => {
    const label = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('\\', '"', '\n', '}', '{', ',', '=', ' ', 'n') }),
    );
    const samples = fc.uniqueArray(fc.record({ a: label, b: label, value: fc.double() }), {
      selector: ({ a, b }) => JSON.stringify([a, b]),
    });
    const property = fc.asyncProperty(samples, async (written) => {
      const registry = new Registry();
      const gauge = new Gauge({
        name: 'g',
        help: 'a \\ "help"\nof two lines',
        labelNames: ['a', 'b'],
        registers: [registry],
      });
      for (const { a, b, value } of written) gauge.set({ a, b }, value);
      const read = new Scrape(await registry.metrics(), 0).samples('g');
      expect(read).toEqual(written.map(({ a, b, value }) => ({ labels: { a, b }, value: value + 0 })));
    });
    await fc.assert(property);
  });

  test('reads what the format allows', () => {
    const text = '# HELP up u\n# TYPE up gauge\n\nup 1 1700000000000\nup{ a = "x" , } +Inf\n  \nother 2';
    const scrape = new Scrape(text, 0);
    expect(scrape.samples('up')).toEqual([
      { labels: {}, value: 1 },
      { labels: { a: 'x' }, value: Infinity },
    ]);
    expect(scrape.value('other')).toBe(2);
    expect(scrape.value('third')).toBeUndefined();
  });

  test.for(['<html>', 'up', 'up one', 'up{a=x} 1', 'up{a="x" 1', 'up{a="x" b="y"} 1', '1up 1'])(
    'refuses a line that is no sample: %s',
    (line) => {
      expect(() => new Scrape(`ok 1\n${line}\n`, 0)).toThrow(/no sample/);
    },
  );
});

describe('a rate', () => {
  const count = fc.nat(1e9);
  test('is what was added per second, whatever was there before', () => {
    const property = fc.property(count, count, fc.integer({ min: 1, max: 600 }), (before, added, seconds) => {
      expect(rate(before, before + added, seconds)).toBe(added / seconds);
    });
    fc.assert(property);
  });

  test('counts from 0 if the process began again, or if the counter is new', () => {
    const property = fc.property(count, fc.integer({ min: 1, max: 1e9 }), (now, more) => {
      expect(increase(now + more, now)).toBe(now);
      expect(increase(undefined, now)).toBe(now);
    });
    fc.assert(property);
  });
});

describe('a quantile', () => {
  const quantiles = fc.double({ min: 0, max: 1, noNaN: true });

  test('is in the bucket of the sorted values between the scrapes', async () => {
    const property = fc.asyncProperty(values, some, quantiles, async (earlier, later, q) => {
      const found =
        quantile(q, await histogramOf(earlier), await histogramOf([...earlier, ...later])) ?? Number.NaN;
      const sorted = later.toSorted((a, b) => a - b);
      const value = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
      const above = bounds.findIndex((bound) => value <= bound);
      if (above === -1) expect(found).toBe(1);
      else {
        expect(found).toBeGreaterThanOrEqual(above === 0 ? 0 : bounds[above - 1]);
        expect(found).toBeLessThanOrEqual(bounds[above]);
      }
    });
    await fc.assert(property);
  });

  test('grows with q', async () => {
    const property = fc.asyncProperty(some, quantiles, quantiles, async (later, a, b) => {
      const now = await histogramOf(later);
      const [low = 0, high = 0] = [Math.min(a, b), Math.max(a, b)].map((q) => quantile(q, undefined, now));
      expect(low).toBeLessThanOrEqual(high);
    });
    await fc.assert(property);
  });

  test('is linear inside its bucket, and at most the last finite bound', async () => {
    const now = await histogramOf([0.0001, 0.02, 0.03, 0.04, 0.05]);
    // Four of five values are between 0.01 and 0.1: the rank 2.5 is 1.5 of these 4.
    expect(quantile(0.5, undefined, now)).toBeCloseTo(0.01 + (0.09 * 1.5) / 4, 12);
    expect(quantile(0.1, undefined, now)).toBeCloseTo(0.0005, 12);
    expect(quantile(0.99, undefined, await histogramOf([5, 6, 7]))).toBe(1);
  });

  test('does not exist if there were no values', async () => {
    expect(quantile(0.5, await histogramOf([0.1]), await histogramOf([0.1]))).toBeUndefined();
  });

  test('is that of the new values if the process began again', async () => {
    const property = fc.asyncProperty(some, some, quantiles, async (earlier, later, q) => {
      const before = await histogramOf([...earlier, ...earlier.map(() => 1e-4), ...later.map(() => 1e-4)]);
      const now = await histogramOf(later);
      expect(quantile(q, before, now)).toBe(quantile(q, undefined, now));
    });
    await fc.assert(property);
  });
});
