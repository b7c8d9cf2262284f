import { join } from 'node:path';
import { UsageError } from '../usage.ts';
import { checkAgreement } from './agreement.ts';
import type { Contender, Peer, Serving } from './contender.ts';
import { type Context, unlessAbsent } from './context.ts';
import { peerFactories } from './peers.ts';
import { callingRacer, race } from './race.ts';
import { tableHead, tableRow } from './report.ts';
import { batchesOf, type RequestBatch } from './requests.ts';
import type { ServingResult } from './result.ts';
import { writeTables } from './rows.ts';
import { describeWorkload, type FeatureBags, type Skew, type Workload } from './workload.ts';

/** A contender, and whether it is ours. */
interface Entrant {
  readonly contender: Contender;
  readonly ours: boolean;
}

/** Races all contenders on one workload, for each distribution of keys and each batch size. */
export async function raceWorkload(context: Context, workload: Workload): Promise<ServingResult[]> {
  console.log(`\n${describeWorkload(workload)}`);
  const { leftovers } = context;
  const directory = leftovers.directory();
  await using closing = new AsyncDisposableStack();
  closing.defer(() => leftovers.removeDirectory(directory));
  const tablesFile = workload.file ?? join(directory, 'tables.safetensors');
  if (workload.file === undefined) await writeTables(tablesFile, workload.tables);
  const started: Entrant[] = [];
  for (const { name, ours = false, optional = false, start } of peerFactories) {
    if (!context.options.peers.includes(name)) continue;
    const wanted = context.options.contenders;
    const serving: Serving = { workload, tablesFile, directory, leftovers, wanted };
    const peer: Peer | undefined = await unlessAbsent(context, () => start(serving), optional);
    if (!peer) continue;
    closing.defer(() => peer.close());
    started.push(...peer.contenders.map((contender) => ({ contender, ours })));
  }
  const entrants = chosen(started, context.options.contenders);
  if (entrants.length === 0) return [];
  if (entrants.length === 1) console.log('one contender: its results are not compared with others');
  const withOurs = entrants.some(({ ours }) => ours);
  const results: ServingResult[] = [];
  for (const skew of workload.skews) {
    const requests = await workload.requests(skew);
    const keys = describeKeys(workload, skew);
    console.log(`\n${tableHead(`${workload.name}, ${keys}`, 'samples', withOurs)}`);
    for (const i of workload.batchSizes.keys())
      results.push(...(await raceBatches(context, { workload, keys, requests, entrants }, i)));
  }
  return results;
}

/** @throws UsageError if no contender has one of the names */
function chosen(started: readonly Entrant[], wanted: readonly string[]): readonly Entrant[] {
  const names = started.map(({ contender }) => contender.name);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `--contender ${unknown}: no contender has this name; the names are: ${names.join('; ')}`,
    );
  return wanted.length === 0 ? started : started.filter((_, i) => wanted.includes(names[i]));
}

function describeKeys({ file }: Workload, skew: Skew): string {
  if (file !== undefined) return 'recorded keys';
  return skew === undefined ? 'uniform keys' : `zipf ${skew} keys`;
}

interface Heat {
  readonly workload: Workload;
  readonly keys: string;
  readonly requests: readonly FeatureBags[];
  readonly entrants: readonly Entrant[];
}

/** Races all contenders with one batch size. */
async function raceBatches(
  { options, traffic }: Context,
  heat: Heat,
  size: number,
): Promise<ServingResult[]> {
  const batch = heat.workload.batchSizes[size];
  const inFlight = options.inFlight[size];
  const batches = batchesOf(heat.requests, batch);
  const contenders = heat.entrants.map(({ contender }) => contender);
  await checkAgreement(contenders, batches[0]);
  const racers = contenders.map((contender) => {
    const { name } = contender;
    if (contender.racer) return contender.racer(batches, inFlight);
    const call = lookups(contender, batches);
    return callingRacer({ name, inFlight, serverPids: contender.serverPids(), traffic, call });
  });
  const outcomes = await race(racers, options.course);
  const results = outcomes.map((outcome, i): ServingResult => {
    const { ours } = heat.entrants[i];
    return { workload: heat.workload.name, keys: heat.keys, batch, inFlight, ours, ...outcome };
  });
  const ours = results.find((result) => result.ours);
  for (const result of results)
    console.log(tableRow({ ...result, name: `${String(batch).padStart(3)}: ${result.name}` }, ours));
  return results;
}

/** Looks up one batch per call, and begins again after the last. */
function lookups(contender: Contender, batches: readonly RequestBatch[]): () => Promise<number> {
  let turn = 0;
  return async () => {
    const batch = batches[turn++ % batches.length];
    const answer = await contender.lookup(batch);
    answer[Symbol.dispose]?.();
    return batch.samples;
  };
}
