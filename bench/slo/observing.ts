// npm run bench -- observing: what metrics cost a ranker. CPU of its process for one sample, with metrics and without.
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { median } from '../measure.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { chosen } from './options.ts';
import { Patience } from './others.ts';
import { pidsOf, probe } from './probe.ts';
import { bodiesOf, scoredModels } from './scored-model.ts';
import { SenderProcess } from './sender-process.ts';
import { ModelFiles } from './services.ts';

/** Requests per second: batches are of one sample, or of several. */
const rates = [100, 400, 800];
const aim = 1.03;
const deadlineMs = 1_000;
const warmRuns = 4;

export async function run(args: string[]): Promise<void> {
  const options = {
    pairs: { type: 'string', default: '15' },
    patience: { type: 'string', default: '600' },
    only: { type: 'string', default: 'movielens' },
  } as const;
  const { pairs, patience: seconds, only } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  const patience = new Patience(Number(seconds) * 1_000);
  const models = await scoredModels(only === 'movielens');
  const [model] = chosen('--only', models, ({ workload }) => workload.name, [only]);
  const leftovers = new Leftovers();
  await using files = await ModelFiles.write(leftovers, model);
  const services = [await files.overNodes('on'), await files.overNodes('off', ['--no-metrics'])];
  const sender = await SenderProcess.start(
    leftovers,
    await bodiesOf(model, { samples: 1, deadlineMs, most: 512 }),
  );
  const pids = pidsOf(services, sender);
  console.log(
    `\n${model.workload.name}: µs of CPU of the ranker for one sample, medians of ${pairs} pairs; aim ${aim}`,
  );
  console.log('requests/s   metrics on   metrics off    on / off');
  for (const rate of rates) {
    const load = { rate, warmMs: 500, ms: 3_500, sloMs: deadlineMs, lateMax: undefined };
    const used = services.map(() => [] as number[]);
    for (let pair = -warmRuns; pair < Number(pairs); pair++)
      await patience.undisturbed(pids, async () => {
        // Both get the same requests at the same times, and each is the first every second time.
        const turns = pair % 2 === 0 ? [0, 1] : [1, 0];
        const us = [0, 0];
        for (const i of turns)
          us[i] = (await probe(sender, services[i], { ...load, seed: pair + warmRuns })).serviceUs;
        if (pair >= 0) for (const i of turns) used[i][pair] = us[i];
      });
    const [on, off] = used.map(median);
    const ratio = median(used[0].map((us, i) => us / used[1][i]));
    console.log(
      [rate, on, off].map((x) => x.toFixed(0).padStart(10)).join('   ') + ratio.toFixed(3).padStart(12),
    );
  }
  if (patience.disturbed > 0)
    console.log(`${patience.disturbed} pairs count although other programs were busy`);
  await sender.end(leftovers);
}
