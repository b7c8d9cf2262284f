// An adaptive cache of `flexemr rank`: it takes the memory that large batches do not need, and gives it back for them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Example } from './example.ts';
import { Load } from './load.ts';
import { run } from './program.ts';
import { movies, type Started, started } from './ranker.ts';
import { Metrics, type Samples } from './scrape.ts';

const capacityMiB = 700;
const most = 4_096;
const floorMiB = 1;

let opened: Started;
let requests: Example;
beforeAll(async () => {
  requests = await Example.open();
  opened = await started(
    ...movies,
    ...['--nodes', '1', '--batch-candidates', String(most), '--queue-candidates', String(4 * most)],
    ...['--cache', 'adaptive', '--cache-capacity', `${capacityMiB}MiB`],
    ...['--cache-floor', `${floorMiB}MiB`, '--cache-window', '1'],
  );
}, 60_000);
afterAll(async () => await opened?.service[Symbol.asyncDispose]());

/** Candidates of the example, as often as it takes. */
function tensorsOf(candidates: number): object[] {
  const all = requests.probs.length;
  const times = Array.from({ length: Math.ceil(candidates / all) }, (_, i) => {
    return requests.tensors(0, Math.min(all, candidates - i * all));
  });
  return times[0].map(({ name, datatype, shape }, at) => {
    const parts = times.map((tensors) => Array.from(tensors[at].data as ArrayLike<number | bigint>, Number));
    const data = name.endsWith('__offsets') ? joined(parts) : parts.flat();
    return { name, datatype, data, shape: shape.length === 1 ? [data.length] : [candidates, shape[1]] };
  });
}

/** Offsets of bags that follow those of the part before. */
function joined(parts: readonly number[][]): number[] {
  const offsets = [0];
  for (const part of parts) {
    const first = offsets[offsets.length - 1];
    offsets.push(...part.slice(1).map((offset) => first + offset));
  }
  return offsets;
}

test('it grows while batches are small, makes room for a large one, and grows again', async () => {
  const { url, model } = opened.ready;
  using load = new Load(url);
  const metrics = new Metrics(url);
  let now: Samples = {};
  const read = async (name: string): Promise<number> => {
    now = await metrics.samples();
    return now[`flexemr_${name}`];
  };
  const score = async (candidates: number): Promise<number[]> => {
    const { status, text } = await load.post(`/v2/models/${model}/infer`, {
      inputs: tensorsOf(candidates),
    });
    expect(status, text).toBe(200);
    return JSON.parse(text).outputs[0].data;
  };
  const wanted = await score(16);
  let large = 8 * floorMiB * 2 ** 20;
  for (let i = 0; i < 2; i++) {
    await expect.poll(() => read('cache_memory_bytes'), { timeout: 20_000 }).toBeGreaterThan(large);
    large = now.flexemr_cache_memory_bytes / 2;
    expect(await score(16)).toEqual(wanted);
    // The controller looks at both a few times a second, one after the other.
    await expect.poll(() => read('scorer_limit_candidates'), { timeout: 20_000 }).toBeLessThan(most);
    const limit = now.flexemr_scorer_limit_candidates;
    const resizes = now.flexemr_cache_resizes_total;
    // More than there is memory for now.
    expect((await score(Math.min(most, 2 * limit + 200))).slice(0, 16)).toEqual(wanted);
    expect(await read('cache_resizes_total')).toBeGreaterThan(resizes);
    await expect.poll(() => read('scorer_limit_candidates'), { timeout: 20_000 }).toBeGreaterThan(limit);
    expect(await read('scorer_dense_thread_restarts_total')).toBe(0);
  }
  const text = await metrics.text();
  expect(await run('promtool', ['check', 'metrics'], { input: text })).toMatchObject({ code: 0, stdout: '' });
});

test('docs/operating.md lists its metrics with their types and helps', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');
  const [, section] = text.split('### An adaptive cache\n');
  const listed = [...section.matchAll(/^\| `(flexemr_\w+)`\s*\| (\w+)\s*\| (.*?)\s*\|$/gm)].map(
    ([, ...row]) => row,
  );
  const served = await new Metrics(opened.ready.url).families();
  const all = [...served.values()].map(({ name, type, help }) => [name, type, help]);
  expect(listed.length).toBeGreaterThan(5);
  for (const row of listed) expect(all).toContainEqual(row);
});
