// If the environment tells fetch to use a proxy, errors name the proxy, but not its password.
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';

const entry = JSON.stringify(new URL('../../src/index.ts', import.meta.url).href);
const program = `
  import { openRanker } from ${entry};
  const [url, kind] = process.argv.slice(1);
  const table = { name: 't', rows: 1, dim: 1, mode: 'sum', version: 1, indexed: false };
  const tables = [{ ...table, shards: [{ node: 'n', begin: 0, end: 1 }] }];
  const routing = kind === 'url' ? url + '/plan.json' : { nodes: [{ id: 'n', url }], tables };
  await openRanker({ routing, transport: 'fetch' }).catch((error) => console.log(error.code, error.message));`;

/** A proxy that refuses all requests. */
const proxy = createServer((_, response) => response.writeHead(502).end());
let port: number;
beforeAll(async () => {
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  ({ port } = proxy.address() as AddressInfo);
});
afterAll(() => {
  proxy.close();
});

function told(url: string, kind: string, env: Record<string, string>): Promise<string> {
  const options = { env: { PATH: process.env.PATH, ...env } };
  return new Promise((said) => {
    execFile(process.execPath, ['--input-type=module', '-e', program, url, kind], options, (_, out) =>
      said(out),
    );
  });
}

test('errors name the proxy', async () => {
  const env = { HTTP_PROXY: `http://user:secret@127.0.0.1:${port}`, NODE_USE_ENV_PROXY: '1' };
  const [node, routing, spared, unused] = await Promise.all([
    told('http://node.example', 'node', env),
    told('http://plans.example', 'url', env),
    told('http://127.0.0.1:9', 'node', { ...env, NO_PROXY: 'localhost,127.0.0.1' }),
    told('http://127.0.0.1:9', 'node', { HTTP_PROXY: env.HTTP_PROXY }),
  ]);
  const through = `through the proxy http://127.0.0.1:${port}`;
  expect(node).toContain(`UNAVAILABLE memory node at http://node.example answers HTTP 502 ${through}`);
  expect(routing).toContain(
    `UNAVAILABLE cannot get the routing table from http://plans.example/plan.json ${through}`,
  );
  expect(`${spared}${unused}`).toMatch(/^(UNAVAILABLE [^\n]*\n){2}$/);
  expect(`${spared}${unused}`).not.toContain('proxy');
  expect(`${node}${routing}`).not.toContain('secret');
});
