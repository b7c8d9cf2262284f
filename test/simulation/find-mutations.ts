// Simulates with each mutation, in a process of its own, until a seed finds it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mutations } from './mutations.ts';

/** A simulation with a fault may take minutes, or never end. */
const processMsMax = 900_000;

/** @param seeds in which each mutation must be found @returns the number of mutations that were not found */
export async function findMutations(seeds: number): Promise<number> {
  let missed = 0;
  console.log('| Mutation | File | Seed | What the simulation says |\n| --- | --- | --- | --- |');
  for (const [number, { name, file }] of mutations.entries()) {
    const found = await find(number, seeds);
    if (found === undefined) missed++;
    console.log(`| ${name} | \`${file}\` | ${found?.seed ?? 'none'} | ${said(found?.error)} |`);
  }
  console.log(`${mutations.length} mutations, ${missed} not found in ${seeds} seeds`);
  return missed;
}

/** What the simulation says, without the error of production code that it quotes. */
function said(error = ''): string {
  return error.split(': FlexemrError')[0];
}

async function find(number: number, seeds: number): Promise<{ seed: number; error: string } | undefined> {
  const main = new URL('main.ts', import.meta.url).pathname;
  const options = ['--mutation', String(number), '--seeds', String(seeds)];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...options], {
    timeout: processMsMax,
  });
  const [line] = stdout.trim().split('\n').slice(-1);
  return line === '' ? undefined : JSON.parse(line);
}
