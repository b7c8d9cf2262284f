// Tables from a server that is reached through the proxy of the environment.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { openTables } from '../../src/index.ts';
import { refused } from '../refusal.ts';
import { FaultyServer } from './faulty-server.ts';
import { loaded, writeFileOfTables } from './http-files.ts';

afterEach(() => vi.unstubAllEnvs());

test('a proxy is used if the environment says so, and errors name it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'flexemr-proxy-'));
  const path = join(dir, 'tables.safetensors');
  await using server = await FaultyServer.start({ '/tables.safetensors': await writeFileOfTables(path) });
  const asked: string[] = [];
  // Whatever host is asked for, the proxy connects to our server.
  const proxy = createServer((asking, answer) => {
    const { host, pathname } = new URL(asking.url ?? '');
    asked.push(host);
    const there = request(`${server.url}${pathname}`, { headers: asking.headers }, (found) => {
      answer.writeHead(found.statusCode ?? 0, found.headers);
      found.pipe(answer);
    });
    there.end();
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  vi.stubEnv('NODE_USE_ENV_PROXY', '1');
  vi.stubEnv('http_proxy', address);
  vi.stubEnv('no_proxy', 'near.example');
  try {
    const url = 'http://far.example/tables.safetensors';
    expect(await loaded(url)).toEqual(await loaded(path));
    expect(new Set(asked)).toEqual(new Set(['far.example']));
    server.faultOf = () => ({ kind: 'status', status: 404 });
    const error = await refused(() => openTables(url));
    expect(error.message).toContain(`from ${url} through the proxy ${address}: the server answers HTTP 404`);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
    rmSync(dir, { recursive: true });
  }
});
