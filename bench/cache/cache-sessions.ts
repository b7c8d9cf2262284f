// npm run bench -- cache-sessions: what a ranker's cache saves, by how often users come back.
import { writeFileSync } from 'node:fs';
import { describe, type Environment, environment } from '../environment.ts';
import { readOptions } from './options.ts';
import { onlinePolicies, usersAtOnce } from './policies/all.ts';
import { percent } from './report.ts';
import { Simulation } from './simulate.ts';
import { sessionsTrace } from './traces/sessions.ts';
import { sessionsShape } from './traces.ts';

/** RecFlow's users send six requests a day. If these are one session, a user comes back after five of six. */
export const recflow: number = 5 / 6;

/** Of the bytes of all rows. */
const capacity = 0.05;
const probabilities = [0, 0.2, 0.4, 0.6, recflow, 0.95];
const candidatesAgain = [0, 0.5];
const names = ['LRU', 'CLOCK + TinyLFU', 'CLOCK, 2 bits + second miss', 'S3-FIFO'];
const policies = [...onlinePolicies.filter(({ name }) => names.includes(name)), usersAtOnce];

export interface SessionsResult {
  readonly policy: string;
  readonly comesBack: number;
  readonly candidatesAgain: number;
  /** Shares of reply bytes that are saved. */
  readonly all: number;
  readonly user: number;
  readonly nodeKeys: number;
}

/** The file that `--json` writes. */
export interface SessionsFile {
  readonly benchmark: 'cache-sessions';
  readonly environment: Environment;
  readonly quick: boolean;
  /** Of the bytes of all rows. */
  readonly capacity: number;
  readonly results: readonly SessionsResult[];
}

export async function run(args: string[]): Promise<void> {
  const { quick, json } = readOptions(args);
  const env = environment();
  console.log(describe(env));
  console.log(line(['policy', 'comes back', 'candidates again', 'bytes, %', 'of users, %', 'keys, %']));
  const results: SessionsResult[] = [];
  for (const again of candidatesAgain)
    for (const comesBack of probabilities) results.push(...measure(comesBack, again, quick));
  const file: SessionsFile = { benchmark: 'cache-sessions', environment: env, quick, capacity, results };
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(file, null, 2)}\n`);
}

function measure(comesBack: number, again: number, quick: boolean): SessionsResult[] {
  const shape = { ...sessionsShape(quick), comesBack, candidatesAgain: again };
  const simulation = new Simulation(sessionsTrace('sessions', shape, 0x5eed));
  return policies.map((policy) => {
    const outcome = simulation.run(policy, capacity);
    const { replyBytes: all, nodeKeys } = outcome;
    const result = {
      policy: policy.name,
      comesBack,
      candidatesAgain: again,
      all,
      user: outcome.ofUsers,
      nodeKeys,
    };
    const figures = [comesBack, again].map((x) => x.toFixed(2));
    console.log(line([policy.name, ...figures, ...[all, result.user, nodeKeys].map(percent)]));
    return result;
  });
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(44) : cell.padStart(18))).join('');
}
