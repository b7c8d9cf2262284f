// Rankers in other runtimes, with two memory nodes: every transport without an add-on gives the results of Node.js,
// errors have their codes, and a ranker that is not closed does not keep the process alive.
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeRouting } from '../../src/index.ts';
import { bin, LinkedPackage } from './linked-package.ts';
import { Lookups, type PlainBags } from './lookups.ts';
import { runMsMax } from './runtime.ts';

const runtimes: Readonly<Record<string, readonly string[]>> = {
  Bun: [bin('.bin/bun')],
  Deno: [bin('.bin/deno'), 'run', '--allow-all'],
  'Node.js 22': [bin('node22/bin/node')],
};
const transports = ['stream', 'http', 'fetch'] as const;
const drawn = 40;

/** Looks up every request with every transport, and does not close its rankers. */
const program = `
import { readFileSync } from 'node:fs';
import { openRanker } from 'flexemr';
const { transports, asked } = JSON.parse(readFileSync('asked.json', 'utf8'));
const answers = {};
for (const transport of transports) {
  const ranker = await openRanker({ routing: 'plan.json', transport });
  const lookups = await Promise.all(asked.map((bags) => ranker.lookup(bags)));
  const refused = await ranker.lookup({ nowhere: { keys: [1], offsets: [0] } }).catch((error) => error.code);
  const [bags] = asked;
  // Sending takes longer than the deadline. Timers are late by a millisecond in some runtimes.
  const [name] = Object.keys(bags);
  const many = { [name]: { keys: new Uint32Array(500_000), offsets: [0] } };
  const late = await ranker.lookup(many, { deadline: 1 }).catch((error) => error.code);
  const closed = await openRanker({ routing: 'plan.json', transport });
  await closed.close();
  const values = lookups.map((lookup) => Object.fromEntries([...lookup].map(([name, { values }]) => [name, { values: [...values] }])));
  answers[transport] = { values, refused, late, closed: await closed.lookup(bags).catch((error) => error.code) };
}
console.log(JSON.stringify(answers));
`;

interface Answers {
  readonly values: readonly Record<string, { readonly values: number[] }>[];
  readonly refused: string;
  readonly late: string;
  readonly closed: string;
}

/** @returns the problems; none if all is right */
export async function rankerProblems(): Promise<string[]> {
  using linked = new LinkedPackage(program);
  await using lookups = await Lookups.start();
  const asked = Array.from({ length: drawn }, (_, i) => lookups.draw(i));
  writeFileSync(join(linked.folder, 'asked.json'), JSON.stringify({ transports, asked }));
  await writeRouting(join(linked.folder, 'plan.json'), lookups.cluster.routing);
  const problems: string[] = [];
  for (const [name, command] of Object.entries(runtimes)) {
    if (!existsSync(command[0]) && !process.env.CI) console.log(`${name}: NOT HERE: ${command[0]}`);
    else problems.push(...(await problemsIn(name, command, linked.folder, lookups, asked)));
  }
  return problems;
}

async function problemsIn(
  name: string,
  [command, ...args]: readonly string[],
  cwd: string,
  lookups: Lookups,
  asked: readonly PlainBags[],
): Promise<string[]> {
  const run = { cwd, timeout: runMsMax, maxBuffer: 2 ** 28 };
  const { stdout } = await promisify(execFile)(command, [...args, 'program.js'], run);
  const answers: Record<string, Answers> = JSON.parse(stdout);
  const problems: string[] = [];
  for (const transport of transports) {
    const { values, ...codes } = answers[transport];
    const said = JSON.stringify(codes);
    const wanted = JSON.stringify({
      refused: 'UNKNOWN_TABLE',
      late: 'DEADLINE_EXCEEDED',
      closed: 'RELEASED',
    });
    if (said !== wanted) problems.push(`${name}, ${transport}: ${said}`);
    for (const [i, bags] of asked.entries()) {
      const problem = await lookups.check(bags, values[i]);
      if (problem !== undefined) problems.push(`${name}, ${transport}, lookup ${i}: ${problem}`);
    }
  }
  return problems;
}
