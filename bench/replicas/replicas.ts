// npm run bench -- replicas: what a second replica and a second release cost a lookup, and what hedges do while a replica stalls.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { cost } from './cost.ts';
import { started, startedWithNext, writeTables } from './nodes.ts';
import { stall } from './stall.ts';

export async function run(args: string[]): Promise<void> {
  const options = {
    pairs: { type: 'string', default: '31' },
    seconds: { type: 'string', default: '10' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
  } as const;
  const { pairs, seconds, only, quick } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-replicas-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await writeTables(folder);
  const twice = await started(stack, folder, 2);
  if (only !== 'stall') {
    const [once, next] = [await started(stack, folder, 1), await startedWithNext(stack, folder)];
    for (const inFlight of quick ? [8] : [1, 8, 32])
      await cost({ once, next, twice }, inFlight, quick ? 3 : Number(pairs));
  }
  if (only !== 'cost') await stall(twice, quick ? 1_000 : Number(seconds) * 1_000);
}
