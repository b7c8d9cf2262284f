// The page of a fake ranker, over HTTP.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Page } from '../../src/service/page.ts';
import { releasesWithout } from './fake-cluster.ts';
import { FakeRanker } from './fake-ranker.ts';
import type { OpenOptions, ServiceUnderTest } from './service-under-test.ts';

const names = ['memory-0:7000', 'memory-1:7000', 'memory-2:7000', 'memory-3:7000'];

export interface FakeOptions extends OpenOptions {
  readonly started?: Date;
}

/** Each scrape of it is a second later than the one before. */
export async function openFakeService(options: FakeOptions = {}): Promise<ServiceUnderTest> {
  const { port = 0, token, inProcess = false, started } = options;
  const nodes = inProcess ? [] : names;
  const ranker = new FakeRanker(nodes, started);
  const page = await Page.open();
  let down: string | undefined;
  const server = createServer((request, response) => {
    if (page.has(request.url ?? '')) page.serve(request, response);
    else if (!['/metrics', '/v1/cluster'].includes(request.url ?? '')) response.writeHead(404).end();
    else if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) refuse(response);
    else if (request.url === '/v1/cluster')
      response.end(JSON.stringify(inProcess ? {} : { cluster: releasesWithout(down) }));
    else void ranker.tick().then((text) => response.end(text));
  });
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const [, , killed = ''] = nodes;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async killNode() {
      ranker.kill(killed);
      down = killed;
      return killed;
    },
    async restartNode() {
      ranker.restart(killed);
      down = undefined;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function refuse(response: ServerResponse): void {
  response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
}
