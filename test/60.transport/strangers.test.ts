// Servers that are not memory nodes, and pages of other origins, which a node may allow.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import * as edge from '../../src/edge.ts';
import { MemoryNodeHost, openRanker, type RoutingTable } from '../../src/index.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Cluster } from '../cluster.ts';

/** Starts a server that gives the same answer to every request. */
async function stranger(status: number, body: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

const answers: readonly [status: number, body: string, said: RegExp][] = [
  [200, 'hello', /does not answer GET .* JSON/],
  [200, 'null', /does not answer GET .* description of a memory node/],
  [200, '{}', /does not answer GET .* description of a memory node \((node|plan)/],
  [200, '{"node":"n","plan":"p","wireVersions":[1,1],"workers":[{"port":"x"}]}', /workers\[0\]\.port/],
  [404, '<html>', /HTTP 404/],
];

describe.for(['http', 'stream', 'fetch', 'edge'] as const)('by %s', (by) => {
  const open = (routing: RoutingTable): Promise<unknown> =>
    by === 'edge' ? edge.openRanker({ routing }) : openRanker({ routing, transport: by });

  test.for(answers)('the answer %i, %s is not that of a memory node', async ([status, body, said]) => {
    await using cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
    await using server = await stranger(status, body);
    const [node] = cluster.routing.nodes;
    const routing = { ...cluster.routing, nodes: [{ ...node, url: server.url }] };
    await expect(open(routing)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(new RegExp(`${server.url} .*${said.source}`)),
    });
  });
});

test.for([undefined, null, '{"nodes": []}', 7])('routing that is %s is refused', async (routing) => {
  await expect(edge.openRanker({ routing: routing as never })).rejects.toMatchObject({
    code: 'INVALID_ROUTING',
    message: expect.stringMatching(/expected a routing table or a routing source/),
  });
});

test.for([
  [{}, 'nodes'],
  [{ nodes: [null], tables: [] }, 'nodes[0]'],
  [{ nodes: [{ id: 'a' }], tables: [{}] }, 'tables[0].version'],
  [[], 'nodes'],
] as const)('the error for routing of a wrong shape, %j, names the field %s', async ([routing, field]) => {
  await expect(edge.openRanker({ routing: routing as never })).rejects.toMatchObject({
    code: 'INVALID_ROUTING',
    field,
    message: expect.stringContaining(`routing: ${field}: `),
  });
});

test.for([0, -1, 1.5, Number.NaN, '64MB', 2 ** 31])('a workspace of %s bytes is refused', async (bytes) => {
  await using cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  const { routing } = cluster;
  await expect(edge.openRanker({ routing, workspaceBytes: bytes as number })).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    field: 'workspaceBytes',
  });
});

const origin = 'https://app.example';
const preflight = { origin, 'access-control-request-method': 'POST' };

test('pages of the allowed origin can send requests and read the answers', async () => {
  await using cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  const options = { tables: cluster.file, routing: cluster.routing, node: 'n0', workers: 2 };
  await using node = await MemoryNodeHost.start({
    ...options,
    allowOrigin: origin,
    security: { token: 'open sesame' },
  });
  for (const port of node.ports) {
    const url = `http://127.0.0.1:${port}/v1/lookup`;
    // A browser first sends a preflight request, without the token.
    const asked = await fetch(url, { method: 'OPTIONS', headers: preflight });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe(origin);
    expect(asked.headers.get('access-control-allow-methods')).toBe('GET, POST');
    expect(asked.headers.get('access-control-allow-headers')).toBe(
      'authorization, content-type, traceparent, inference-header-content-length',
    );
    // A page can also read refusals, so that it knows the reason.
    const refused = await fetch(url, { method: 'POST', headers: { origin, 'content-type': frameType } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
    // Other OPTIONS requests are answered like by nodes without an allowed origin.
    expect((await fetch(url, { method: 'OPTIONS', headers: { origin } })).status).toBe(401);
  }
});

test('a node without an allowed origin refuses requests of pages', async () => {
  await using cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  const [{ url }] = cluster.nodes;
  const asked = await fetch(`${url}/v1/lookup`, { method: 'OPTIONS', headers: preflight });
  expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([404, null]);
});

test.for(['app.example', 'https://app.example/', 'https://app.example/path', '', 'null'])(
  'a text that is not an origin, "%s", is refused',
  async (allowOrigin) => {
    await using cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
    const options = { tables: cluster.file, routing: cluster.routing, node: 'n0', allowOrigin };
    await expect(MemoryNodeHost.start(options)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      field: 'allowOrigin',
    });
  },
);
