// The service that the tests share: `flexemr rank` as docs/operating.md starts it, on a free port.
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { RankReady } from '../../src/cli/rank.ts';
import { commandsOf } from './documented.ts';
import { started } from './ranker.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly service: RankReady;
  }
}

const root = join(import.meta.dirname, '../..');

export default async function open(project: TestProject): Promise<() => Promise<void>> {
  const [command = ''] = commandsOf('Scoring over HTTP');
  const [program, rank, ...args] = command.split(/\s+/);
  if (program !== 'flexemr' || rank !== 'rank') throw new Error(`it does not start a service: ${command}`);
  const { service, ready } = await started(
    ...args.map((arg) => (arg.startsWith('examples/') ? join(root, arg) : arg === '8080' ? '0' : arg)),
  );
  project.provide('service', ready);
  return async () => {
    service.child.kill('SIGTERM');
    const { code, stderr } = await service.ended;
    const lines = [...stderr.matchAll(/"msg":"(.*?)"/g)].map(([, msg]) => msg);
    // It has nothing to say at its default level, whatever its clients do.
    if (code !== 0 || lines.join() !== 'draining,drained' || stderr.split('\n').length !== 3)
      throw new Error(`status ${code}: ${stderr}`);
  };
}
