// npm run bench -- serving: looks up pooled vectors over the network, by flexemr and by the alternatives for a
// JavaScript service.
import { writeFileSync } from 'node:fs';
import { describe, environment } from '../environment.ts';
import { Absent } from '../usage.ts';
import { raceTransports } from './bare/race-transports.ts';
import { raceCandidates } from './candidates.ts';
import { Leftovers } from './leftovers.ts';
import { readOptions } from './options.ts';
import { peerFactories } from './peers.ts';
import { raceWorkload } from './race-workload.ts';
import type { BareResult, ServingFile, ServingResult } from './result.ts';
import { Traffic } from './traffic.ts';
import { describeWorkload } from './workload.ts';
import { allWorkloads, workloadNames } from './workloads.ts';

const bareName = 'bare';
const candidatesName = 'candidates';

export async function run(args: string[]): Promise<void> {
  const options = readOptions(args, {
    only: [...workloadNames, bareName, candidatesName],
    peers: peerFactories.map(({ name }) => name),
    // They take long to start.
    unasked: ['release', 'meta2021'],
  });
  const env = environment();
  console.log(describe(env));
  if (options.quick)
    console.log(
      'quick: small tables and short rounds; this only shows that everything runs, the figures are meaningless',
    );
  const context = { options, leftovers: new Leftovers(), traffic: new Traffic(), absent: new Set<string>() };
  const results: ServingResult[] = [];
  const bare: BareResult[] = [];
  const all = await allWorkloads(options.quick);
  const workloads = all.filter(({ name }) => options.only.includes(name));
  if (options.only.includes(bareName)) bare.push(...(await raceTransports(context)));
  const ranking = options.only.includes(candidatesName) ? await raceCandidates(context, all[0]) : [];
  for (const workload of workloads) results.push(...(await raceWorkload(context, workload)));
  if (options.json !== undefined) {
    const file: ServingFile = {
      benchmark: 'serving',
      environment: env,
      quick: options.quick,
      absent: [...context.absent],
      workloads: workloads.map(describeWorkload),
      results,
      bare,
      candidates: ranking,
    };
    writeFileSync(options.json, `${JSON.stringify(file, null, 2)}\n`);
  }
  if (context.absent.size > 0) throw new Absent(`NOT MEASURED: ${[...context.absent].join('; ')}`);
}
