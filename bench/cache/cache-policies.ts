// npm run bench -- cache-policies: what a ranker's cache saves, by policy, capacity and trace.
import { writeFileSync } from 'node:fs';
import { describe, type Environment, environment } from '../environment.ts';
import { readOptions } from './options.ts';
import { allPolicies } from './policies/all.ts';
import { policyRow, tableHead } from './report.ts';
import { Simulation } from './simulate.ts';
import type { Outcome } from './tally.ts';
import type { NamedTrace } from './traces.ts';

/** Of the bytes of all rows. */
export const capacities: readonly number[] = [0.001, 0.01, 0.05, 0.1];

export interface PolicyResult extends Outcome {
  readonly trace: string;
  readonly policy: string;
  readonly eviction: string;
  readonly admission: string;
  readonly unit: string;
  readonly capacity: number;
}

/** The file that `--json` writes. */
export interface PoliciesFile {
  readonly benchmark: 'cache-policies';
  readonly environment: Environment;
  readonly quick: boolean;
  readonly results: readonly PolicyResult[];
}

export async function run(args: string[]): Promise<void> {
  const { quick, json, traces } = readOptions(args);
  const env = environment();
  console.log(describe(env));
  const results = traces.flatMap(measure);
  const file: PoliciesFile = { benchmark: 'cache-policies', environment: env, quick, results };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(file, null, 2)}\n`);
}

function measure({ name, about, make }: NamedTrace): PolicyResult[] {
  const simulation = new Simulation(make());
  console.log(`\n${tableHead(name, capacities)}`);
  const results = allPolicies.flatMap((policy) => {
    const outcomes = capacities.map((capacity) => simulation.run(policy, capacity));
    console.log(policyRow(policy.name, outcomes));
    const { eviction, admission, unit } = policy;
    return outcomes.map((outcome, i) => {
      return {
        ...{ trace: name, policy: policy.name, eviction, admission, unit },
        capacity: capacities[i],
        ...outcome,
      };
    });
  });
  console.log(about);
  return results;
}
