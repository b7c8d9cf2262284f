// A ranker that is not closed does not keep its process alive, for any transport and any source of routing.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRouting, routingJson } from '../../src/index.ts';
import { done, Running, served, tablesFile, until } from './command.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-forgotten-'));
const file = join(dir, 'routing.json');
const server = createServer((_, response) => response.end(readFileSync(file)));
let node: Running;
beforeAll(async () => {
  const plan = join(dir, 'plan.json');
  done('plan', '--tables', tablesFile, '--nodes', '1', '--out', plan);
  const started = await served('--tables', tablesFile, '--plan', plan, '--node', 'node0');
  node = started.node;
  const planned = parseRouting(readFileSync(plan, 'utf8'), plan);
  const nodes = planned.nodes.map((planned) => ({ ...planned, url: started.ready.url }));
  writeFileSync(file, routingJson({ ...planned, nodes }));
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(async () => {
  server.close();
  await node[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const ways = ['stream', 'http', 'fetch'].flatMap((transport) =>
  ['file', 'URL'].map((routing) => ({ transport, routing, engines: 0 })),
);
test.for([...ways, { transport: 'stream', routing: 'file', engines: 2 }])(
  'by $transport and $engines engines, with routing from a $routing',
  async ({ transport, routing, engines }) => {
    const where = routing === 'file' ? file : `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await using program = new Running([
      join(import.meta.dirname, 'forgotten.ts'),
      where,
      transport,
      String(engines),
    ]);
    const dim = (await program.line()).trim();
    await until('its end', () => program.child.exitCode !== null, 1_000);
    expect(await program.ended).toEqual({ code: 0, stdout: `${dim}\n`, stderr: '' });
    expect(Number(dim)).toBeGreaterThan(0);
  },
);

test('a program that waits for its engines to be closed ends after that', async () => {
  await using program = new Running([
    join(import.meta.dirname, 'forgotten.ts'),
    file,
    'stream',
    '2',
    'close',
  ]);
  const dim = (await program.line()).trim();
  expect(await program.ended).toEqual({ code: 0, stdout: `${dim}\nclosed\n`, stderr: '' });
});
