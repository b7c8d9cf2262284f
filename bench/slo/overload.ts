// npm run bench -- overload: a service under three times its capacity. What is answered, how soon the rest is refused,
// whether memory grows, and whether it serves again when the load has ended.
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { mib, rssOf } from '../serving/memory.ts';
import type { LoadResult } from './load.ts';
import { chosen } from './options.ts';
import { bodiesOf, scoredModels } from './scored-model.ts';
import { SenderProcess } from './sender-process.ts';
import { inferPath, ModelFiles } from './services.ts';

/** Candidates of a request. */
const samples = 32;
const deadlineMs = 500;
const overload = 3;

export async function run(args: string[]): Promise<void> {
  const options = {
    seconds: { type: 'string', default: '60' },
    only: { type: 'string', default: 'movielens' },
  } as const;
  const { seconds, only } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  const models = await scoredModels(only === 'movielens');
  const [model] = chosen('--only', models, ({ workload }) => workload.name, [only]);
  const leftovers = new Leftovers();
  await using files = await ModelFiles.write(leftovers, model);
  const service = await files.overNodes('flexemr');
  const bodies = await bodiesOf(model, { samples, deadlineMs, most: 64 });
  const sender = await SenderProcess.start(leftovers, bodies);
  const load = async (rate: number, forMs: number, warmMs = 500): Promise<LoadResult> =>
    await sender.send(service.url, inferPath, {
      ...{ rate, warmMs, ms: forMs, sloMs: deadlineMs, lateMax: undefined, seed: 3 },
    });
  const capacity = await capacityOf(load);
  console.log(`\n${model.workload.name}, requests of ${samples} candidates, deadline ${deadlineMs} ms`);
  console.log(`capacity: ${(capacity * samples).toFixed(0)} candidates/s`);
  const forMs = Number(seconds) * 1_000;
  const before = rssOf(service.pid);
  const result = await load(overload * capacity, forMs);
  const after = rssOf(service.pid);
  report(result, forMs, capacity);
  console.log(`RSS of the ranker: ${mib(before)} MiB before, ${mib(after)} MiB after`);
  const calm = await load(capacity / 2, 3_000, 1_000);
  console.log(`half of its capacity, from a second later: ${calm.good} of ${calm.due} answered in time`);
  await sender.end(leftovers);
}

/** The most requests per second that were answered in time, at rates that grow until too many are not. */
async function capacityOf(load: (rate: number, forMs: number) => Promise<LoadResult>): Promise<number> {
  let most = 0;
  for (let rate = 25; ; rate *= 1.5) {
    const forMs = 4_000;
    const { good, due } = await load(rate, forMs);
    most = Math.max(most, (good / forMs) * 1_000);
    if (good < 0.8 * due) return most;
  }
}

function report(result: LoadResult, forMs: number, capacity: number): void {
  const { due, good, failed, refused, refused99Ms, lag99Ms } = result;
  const answered = due - failed;
  const rate = (good / forMs) * 1_000;
  console.log(`${overload} times that for ${forMs / 1_000} s: ${due} requests`);
  console.log(`  ${answered} answered, ${answered - good} of them after their deadline`);
  console.log(`  answered in time: ${(rate / capacity).toFixed(2)} of the capacity; aim 0.95`);
  console.log(`  ${refused} refused, the 99th percentile after ${refused99Ms.toFixed(1)} ms; aim 10`);
  console.log(`  ${failed - refused} failed in another way`);
  console.log(`  requests were sent late: the 99th percentile by ${lag99Ms.toFixed(1)} ms, which counts`);
}
