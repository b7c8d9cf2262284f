// npm run bench -- credits: what credits for replies do. Incast, and the latency of a grant.
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { grants } from './grants.ts';
import { incast } from './incast.ts';

export async function run(args: string[]): Promise<void> {
  const options = {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
  } as const;
  const { rounds, seconds, only } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  if (only !== 'grants') await incast({ rounds: Number(rounds), seconds: Number(seconds) });
  if (only !== 'incast') await grants(Number(rounds));
}
