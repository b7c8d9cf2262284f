// A watch of a cluster sees every change, whatever rings and whatever fails.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { clusterCheckMsMax, clusterSpreadMs } from '../../src/cluster-limits.ts';
import { clusterJson, parseCluster } from '../../src/plan/cluster.ts';
import { ClusterWatch, type Watched } from '../../src/plan/cluster-watch.ts';
import { runs } from '../runs.ts';
import { release, versionOf } from './store-case.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** A bucket that a test writes, and which can be away. */
class Bucket implements Watched {
  text: string;
  revision = 1;
  reads = 0;
  away: string | undefined;
  readonly #latencyMs: number;

  constructor(text: string, latencyMs = 1) {
    this.text = text;
    this.#latencyMs = latencyMs;
  }

  async #answer<T>(answer: () => T): Promise<T> {
    await new Promise((resolve) => setTimeout(resolve, this.#latencyMs));
    if (this.away !== undefined) throw new Error(this.away);
    return answer();
  }

  async read(): Promise<{ text: string; revision: string }> {
    this.reads++;
    return await this.#answer(() => ({ text: this.text, revision: String(this.revision) }));
  }

  async state(): Promise<string> {
    return await this.#answer(() => String(this.revision));
  }

  parse = (text: string): ReturnType<typeof parseCluster> => parseCluster(text, 'bucket');

  write(text: string): void {
    this.text = text;
    this.revision++;
  }
}

const textOf = (version: number): string => clusterJson({ serving: release(version) });

/** A watch, and what it tells. */
function watched(
  bucket: Bucket,
  text = bucket.text,
): { watch: ClusterWatch; seen: number[]; errors: string[] } {
  const seen: number[] = [];
  const errors: string[] = [];
  const watch = new ClusterWatch(
    bucket,
    text,
    ({ serving }) => seen.push(versionOf(serving.routing)),
    ({ message }) => errors.push(message),
  );
  return { watch, seen, errors };
}

const checked = 2 * (clusterCheckMsMax + 10);

test('a change is seen although nothing rings', async () => {
  const bucket = new Bucket(textOf(1));
  const { watch, seen, errors } = watched(bucket);
  await vi.advanceTimersByTimeAsync(checked);
  expect(seen).toEqual([]);
  bucket.write(textOf(2));
  await vi.advanceTimersByTimeAsync(checked);
  expect({ seen, errors }).toEqual({ seen: [2], errors: [] });
  watch.close();
});

test('the first cluster is compared with the one that was read', async () => {
  const { watch, seen } = watched(new Bucket(textOf(2)), textOf(1));
  await vi.advanceTimersByTimeAsync(clusterSpreadMs + 10);
  expect(seen).toEqual([2]);
  watch.close();
});

test('a ring is answered soon, also if it comes before the change can be read', async () => {
  const bucket = new Bucket(textOf(1));
  const { watch, seen } = watched(bucket);
  await vi.advanceTimersByTimeAsync(1_000);
  watch.ring();
  await vi.advanceTimersByTimeAsync(clusterSpreadMs + 10);
  bucket.write(textOf(2));
  await vi.advanceTimersByTimeAsync(2 * (clusterSpreadMs + 400));
  expect(seen).toEqual([2]);
  watch.close();
});

test('without changes, the cluster itself is not read again and again', async () => {
  const bucket = new Bucket(textOf(1));
  const { watch } = watched(bucket);
  await vi.advanceTimersByTimeAsync(checked);
  const { reads } = bucket;
  await vi.advanceTimersByTimeAsync(20 * checked);
  expect(bucket.reads).toBe(reads);
  watch.close();
});

test('an error is told once, and again after it had gone', async () => {
  const bucket = new Bucket(textOf(1));
  const { watch, seen, errors } = watched(bucket);
  for (let i = 0; i < 2; i++) {
    bucket.away = 'away';
    await vi.advanceTimersByTimeAsync(5 * checked);
    bucket.away = undefined;
    await vi.advanceTimersByTimeAsync(checked);
  }
  expect({ seen, errors }).toEqual({ seen: [], errors: ['away', 'away'] });
  watch.close();
});

test('what is not a cluster is told once, and the next one is used', async () => {
  const bucket = new Bucket(textOf(1));
  const { watch, seen, errors } = watched(bucket);
  bucket.write('nonsense');
  await vi.advanceTimersByTimeAsync(5 * checked);
  expect(errors).toEqual([expect.stringContaining('it is not JSON')]);
  bucket.write(textOf(1));
  await vi.advanceTimersByTimeAsync(checked);
  expect(seen).toEqual([]);
  bucket.write(textOf(2));
  await vi.advanceTimersByTimeAsync(checked);
  expect({ seen, errors: errors.length }).toEqual({ seen: [2], errors: 1 });
  watch.close();
});

test('after its end, a watch tells nothing and waits for nothing', async () => {
  const bucket = new Bucket(textOf(1), 500);
  const { watch, seen, errors } = watched(bucket);
  await vi.advanceTimersByTimeAsync(clusterSpreadMs + 10);
  bucket.write(textOf(2));
  watch.close();
  watch.ring();
  await vi.advanceTimersByTimeAsync(checked);
  bucket.away = 'away';
  await vi.advanceTimersByTimeAsync(checked);
  expect({ seen, errors, timers: vi.getTimerCount() }).toEqual({ seen: [], errors: [], timers: 0 });
});

test('whatever is written, rings or fails: the last cluster is seen, and none twice in a row', async () => {
  type Event = readonly ['write' | 'lose' | 'ring' | 'away' | 'back', number];
  const event: fc.Arbitrary<Event> = fc.tuple(
    fc.constantFrom('write', 'lose', 'ring', 'away', 'back'),
    fc.integer({ min: 0, max: 3_000 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 40 }),
      fc.integer({ min: 1, max: 2_000 }),
      async (events, latency) => {
        const bucket = new Bucket(textOf(1), latency);
        const { watch, seen } = watched(bucket);
        const written = [1];
        for (const [what, ms] of events) {
          if (what === 'write' || what === 'lose') {
            written.push(written.length + 1);
            bucket.write(textOf(written.length));
          }
          if (what === 'write' || what === 'ring') watch.ring();
          if (what === 'away') bucket.away = 'away';
          if (what === 'back') bucket.away = undefined;
          await vi.advanceTimersByTimeAsync(ms);
        }
        bucket.away = undefined;
        await vi.advanceTimersByTimeAsync(2 * checked + 10 * latency);
        watch.close();
        expect([1, ...seen].at(-1)).toBe(written.at(-1));
        // In the order in which they were written.
        expect(seen).toEqual([...new Set(seen)].sort((one, other) => one - other));
      },
    ),
    { numRuns: runs.clusterWatches },
  );
});
