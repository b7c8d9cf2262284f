// The log of the service: a line of JSON for each fact, at the levels that are asked for.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parseRouting, writeRouting } from '../../src/index.ts';
import type { Log } from '../../src/log.ts';
import { RequestRecords } from '../../src/service/request-records.ts';
import { openRoutes } from '../../src/service/routes.ts';
import type { Scoring } from '../../src/service/scoring.ts';
import { denseFile, done } from '../80.cli/command.ts';
import { Example } from './example.ts';
import { Load } from './load.ts';
import { movies, nodesOf, type Started, started, tables } from './ranker.ts';
import { Metrics } from './scrape.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
const json = { 'content-type': 'application/json' };

type Line = Record<string, unknown>;

describe('a service with two nodes', () => {
  let of: Started;
  let requests: Example;
  let load: Load;
  beforeAll(async () => {
    requests = await Example.open();
    of = await started(...movies, '--nodes', '2', '--name', 'movies', '--log-level', 'debug');
    load = new Load(of.ready.url);
  });
  afterAll(async () => {
    load?.[Symbol.dispose]();
    await of?.service[Symbol.asyncDispose]();
  });

  const lines = (message: string): Line[] => of.service.log.filter(({ msg }) => msg === message);
  const rank = async (candidates: number, trace = true): Promise<number> => {
    const body = JSON.stringify(requests.call(0, candidates));
    const headers = trace ? { ...json, traceparent } : json;
    return (await load.ask('/v1/rank', { method: 'POST', headers, body })).status;
  };

  test('says one line about each request, at the level debug', async () => {
    expect(await rank(3)).toBe(200);
    expect(await rank(2, false)).toBe(200);
    await load.ask('/v2/models/movies/infer', {
      method: 'POST',
      headers: { ...json, traceparent },
      body: '{}',
    });
    await load.ask('/healthz');
    await expect.poll(() => lines('request').length).toBe(4);
    const fields = { level: 20, ranker: 'movies', time: expect.any(Number), ms: expect.any(Number) };
    const scored = { ...fields, endpoint: 'rank', method: 'POST', status: 200, msg: 'request' };
    expect(lines('request')).toEqual([
      { ...scored, candidates: 3, trace_id: traceId },
      { ...scored, candidates: 2 },
      {
        ...{ ...scored, endpoint: 'infer', status: 400, trace_id: traceId },
        ...{ code: 'INVALID_BAGS', reason: expect.stringContaining('inputs') },
      },
      { ...fields, endpoint: 'health', method: 'GET', status: 200, msg: 'request' },
    ]);
    expect(of.service.log.filter(({ level }) => level !== 20)).toEqual([]);
  });

  test('says that a node has gone, and which requests failed, a line for each code and time', async () => {
    const [pid] = nodesOf(of.service);
    process.kill(pid, 'SIGKILL');
    const statuses: number[] = [];
    while (statuses.filter((status) => status >= 500).length < 12) statuses.push(await rank(1));
    const failed = statuses.filter((status) => status >= 500);
    await expect.poll(() => lines('a memory node does not answer')).toMatchObject([{ level: 40 }]);
    const [{ node, url }] = lines('a memory node does not answer');
    expect(of.ready.nodes).toContainEqual({ node, url });
    const told = lines('requests failed');
    const codes = new Set(told.map(({ code }) => code));
    expect(told.length).toBe(codes.size);
    for (const line of told) {
      expect(line).toMatchObject({ level: 50, requests: 1, trace_id: traceId, code: expect.any(String) });
      expect(line.reason).toContain(`memory node ${node}`);
      expect(failed).toContain(line.status);
    }
    const families = await new Metrics(of.ready.url).families();
    const errors = families.get('flexemr_ranker_subrequest_errors_total')?.samples ?? [];
    for (const { labels } of errors) expect(labels).toEqual({ node, code: expect.any(String) });
    expect(errors.length).toBeGreaterThan(0);
    of.service.child.kill('SIGTERM');
    expect((await of.service.ended).code).toBe(0);
    // What was not told yet is told at the end.
    const counts = lines('requests failed').map((line) => Number(line.requests));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(failed.length);
    expect(of.service.log.slice(-2)).toMatchObject([
      { level: 50, msg: 'requests failed' },
      { level: 30, msg: 'drained' },
    ]);
  });
});

test('a routing table that has changed and cannot be used is told', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'flexemr-routing-'));
  try {
    const file = join(dir, 'routing.json');
    done('plan', ...tables, '--nodes', '2', '--out', file);
    const planned = parseRouting(readFileSync(file, 'utf8'), file);
    const urls = new Map(inject('service').nodes.map(({ node, url }) => [node, url]));
    const nodes = planned.nodes.map((node) => ({ ...node, url: urls.get(node.id) ?? '' }));
    await writeRouting(file, { ...planned, nodes });
    const { service } = await started('--dense', denseFile, '--routing', file);
    await using _ = service;
    writeFileSync(file, 'nothing');
    await expect
      .poll(() => service.log)
      .toMatchObject([
        { level: 40, msg: 'the changed routing table cannot be used', err: { code: 'INVALID_ROUTING' } },
      ]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('an error that nobody expected is told to the log, with its stack, and not to the client', async () => {
  const told: Line[] = [];
  const tell = (level: string) => (what: object, msg: string) => void told.push({ level, msg, ...what });
  const log: Log = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') };
  const bug = new TypeError('a bug');
  const scoring: Scoring = {
    signature: {
      ...{ name: 'm', version: '1', features: [{ name: 'user', table: 'user', dim: 4, mode: 'sum' }] },
      ...{ dense: [], outputs: [{ name: 'prob', width: 1 }], score: 'prob' },
    } as Scoring['signature'],
    score: () => Promise.reject(bug),
  };
  const records = new RequestRecords({ log, metrics: undefined, tracer: undefined });
  const routes = await openRoutes(scoring, { records });
  const server = createServer((request: IncomingMessage, response) => {
    records.begin(request, response);
    routes.routing(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    using load = new Load(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const answer = await load.post('/v1/rank', { candidates: [{ user: 1 }] });
    expect(answer).toEqual({ status: 500, text: expect.not.stringContaining('a bug') });
    await expect.poll(() => told.length).toBe(2);
    expect(told).toMatchObject([
      { level: 'debug', msg: 'request', status: 500, code: 'NODE_FAILED' },
      { level: 'error', msg: 'requests failed', status: 500, code: 'NODE_FAILED', err: bug, requests: 1 },
    ]);
  } finally {
    server.close();
    server.closeAllConnections();
    records.close();
  }
});
