// Starts `flexemr rank`.
import { readFileSync } from 'node:fs';
import type { RankReady } from '../../src/cli/rank.ts';
import { denseFile, main, Running, tablesFile } from '../80.cli/command.ts';

/** A service starts its nodes, and loads tables and networks. */
const startMsMax = 60_000;

/** The options of the example. */
export const tables: readonly string[] = ['--tables', tablesFile];
export const movies: readonly string[] = [...tables, '--dense', denseFile];

export interface Started {
  readonly service: Running;
  readonly ready: RankReady;
}

/** Starts a service, and waits until it is ready. */
export async function started(...args: string[]): Promise<Started> {
  return await startedWith({}, ...args);
}

/** @param env variables beside those of this process */
export async function startedWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Started> {
  const service = new Running([main, 'rank', '--json', ...args], process.execPath, env);
  try {
    return { service, ready: JSON.parse(await service.line(startMsMax)) };
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/** The processes of the nodes that a service has started. */
export function nodesOf({ pid }: Running): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(/\s+/).filter(Boolean).map(Number);
}
