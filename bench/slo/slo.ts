// npm run bench -- slo: how many samples a second a scoring service keeps in time, by how batches are formed and by
// where rows come from.
import { writeFileSync } from 'node:fs';
import { describe, environment } from '../environment.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { describeWorkload } from '../serving/workload.ts';
import { Absent } from '../usage.ts';
import { checkScores } from './agreement.ts';
import { type Contender, contenders } from './contenders.ts';
import { Track } from './course.ts';
import { chosen, readOptions, type SloOptions } from './options.ts';
import { Patience } from './others.ts';
import { pidsOf } from './probe.ts';
import { loadsTable, sloTable } from './report.ts';
import type { ModelResult, SloFile } from './result.ts';
import { bodiesOf, type ScoredModel, scoredModels } from './scored-model.ts';
import { SenderProcess } from './sender-process.ts';
import { ModelFiles, type Service } from './services.ts';

/** Requests that are sent in turn. Their rows do not fit in caches. */
const bodiesMax = 512;
/** Requests whose scores are compared, and how long they may take. */
const checked = 4;
const checkMsMax = 30_000;

interface Run {
  readonly options: SloOptions;
  readonly leftovers: Leftovers;
  readonly patience: Patience;
  /** Why contenders are not measured. */
  readonly absent: Set<string>;
}

export async function run(args: string[]): Promise<void> {
  const options = readOptions(args);
  const env = environment();
  console.log(describe(env));
  if (options.quick) console.log('quick: the example only, and short; the figures are rough');
  const patience = new Patience(options.course.patienceMs);
  const absent = new Set<string>();
  const context: Run = { options, leftovers: new Leftovers(), patience, absent };
  const wanted = chosen('--contender', contenders, ({ name }) => name, options.contenders);
  const all = await scoredModels(options.quick);
  const models: ModelResult[] = [];
  for (const model of chosen('--only', all, ({ workload }) => workload.name, options.only)) {
    models.push(await measure(context, model, wanted));
    // After each model, because a whole run takes long.
    if (options.json !== undefined) writeJson(options.json, { ...context, environment: env, models });
  }
  const { disturbed } = patience;
  if (disturbed > 0) console.log(`\n${disturbed} measurements count although other programs were busy`);
  if (absent.size > 0) throw new Absent(`NOT MEASURED: ${[...absent].join('; ')}`);
}

type Measured = Run & Pick<SloFile, 'environment' | 'models'>;

function writeJson(path: string, { options, patience, absent, environment: env, models }: Measured): void {
  const file: SloFile = {
    ...{ benchmark: 'slo', environment: env, quick: options.quick },
    ...{ disturbed: patience.disturbed, absent: [...absent], models },
  };
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`);
}

async function measure(run: Run, model: ScoredModel, wanted: readonly Contender[]): Promise<ModelResult> {
  const { options, leftovers, patience } = run;
  const { workload, sloMs: own } = model;
  const sloMs = options.sloMs ?? own;
  const description = describeWorkload(workload);
  console.log(`\n${description}`);
  await using files = await ModelFiles.write(leftovers, model);
  const services = await startAll(run, files, wanted, sloMs);
  await checkScores(services, await bodiesOf(model, { samples: 1, deadlineMs: checkMsMax, most: checked }));
  const bodies = await bodiesOf(model, { samples: 1, deadlineMs: sloMs, most: bodiesMax });
  const sender = await SenderProcess.start(leftovers, bodies);
  const track = new Track(sender, sloMs, options.course, patience, pidsOf(services, sender));
  const kept = await track.search(services);
  console.log(`\n${sloTable(`${workload.name}, p99 ≤ ${sloMs} ms`, kept)}`);
  const same = services.filter(({ name }) => wanted.some((one) => one.name === name && one.sameLookup));
  const loads = same.length > 1 && kept[0].perSecond > 0 ? await track.loads(same, kept[0].perSecond) : [];
  if (loads.length > 0) console.log(`\n${loadsTable(`${workload.name}, in time`, loads)}`);
  await sender.end(leftovers);
  return { model: workload.name, description, sloMs, kept, loads };
}

async function startAll(
  { absent }: Run,
  files: ModelFiles,
  wanted: readonly Contender[],
  sloMs: number,
): Promise<Service[]> {
  const started = await Promise.allSettled(wanted.map(({ start }) => start(files, sloMs)));
  return started.flatMap((one) => {
    if (one.status === 'fulfilled') return one.value;
    if (!(one.reason instanceof Absent)) throw one.reason;
    console.log(`ABSENT: ${one.reason.message}`);
    absent.add(one.reason.message);
    return [];
  });
}
