// npm run bench -- credits: what credits do. Incast, windows of sessions, and the latency of a grant.
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { grants } from './grants.ts';
import { incast } from './incast.ts';
import { windows } from './windows.ts';

export async function run(args: string[]): Promise<void> {
  const options = {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
  } as const;
  const { rounds, seconds, only } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  const isAsked = (part: string): boolean => only === undefined || only === part;
  if (isAsked('incast')) await incast({ rounds: Number(rounds), seconds: Number(seconds) });
  if (isAsked('windows')) await windows({ rounds: Number(rounds), seconds: Number(seconds) });
  if (isAsked('grants')) await grants(Number(rounds));
}
