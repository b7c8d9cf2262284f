// How the service ends, and its nodes with it.
import { beforeAll, describe, expect, test } from 'vitest';
import { alive, type Running, until } from '../80.cli/command.ts';
import { Example } from './example.ts';
import { HalfRequest } from './half-request.ts';
import { Load } from './load.ts';
import { movies, nodesOf, started } from './ranker.ts';
import { Metrics } from './scrape.ts';

let requests: Example;
beforeAll(async () => {
  requests = await Example.open();
});

const draining = async ({ stderr }: Running): Promise<boolean> => stderr.includes('"msg":"draining"');

describe('the end', () => {
  test('SIGTERM: what has begun is answered, other requests are refused, and the nodes end too', async () => {
    // A request waits for a second, because it might be joined by others.
    const { service, ready } = await started(...movies, '--nodes', '2', '--batch-delay', '1000');
    await using _ = service;
    const nodes = nodesOf(service);
    expect(nodes.filter(alive).length).toBe(2);
    using load = new Load(ready.url, 2);
    const idle = new Load(ready.url);
    await idle.ask('/v2');
    // Clients that have left do not count as others that wait.
    for (let i = 0; i < 3; i++) await load.leave('/v1/rank');
    const half = await HalfRequest.begin(ready.url, JSON.stringify(requests.call(0, 2)));
    const waiting = load.post('/v1/rank', requests.call(2, 5));
    let isDone = false;
    void waiting.finally(() => {
      isDone = true;
    });
    const metrics = new Metrics(ready.url);
    const isQueued = async (): Promise<boolean> =>
      isDone || (await metrics.samples()).flexemr_scorer_queue_candidates === 3;
    await until('a request in the queue', isQueued);
    service.child.kill('SIGTERM');
    await until('the drain', () => draining(service));
    // On an open connection, a request is refused with a reason. There are no new connections.
    expect(await idle.ask('/v2')).toMatchObject({
      status: 503,
      text: expect.stringContaining('UNAVAILABLE'),
    });
    using late = new Load(ready.url);
    await expect(late.ask('/v2')).rejects.toThrow('ECONNREFUSED');
    half.complete();
    expect(await half.answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*"ranked":\[\{/);
    const { status, text: said } = await waiting;
    expect([status, JSON.parse(said).ranked.length]).toEqual([200, 3]);
    expect((await service.ended).code).toBe(0);
    expect(service.log.at(-1)).toMatchObject({ msg: 'drained', requests: 2, candidates: 5, errors: {} });
    expect(nodes.filter(alive)).toEqual([]);
  });

  test('a second signal ends it at once, whatever it waits for', async () => {
    const { service, ready } = await started(...movies, '--nodes', '1');
    await using _ = service;
    const nodes = nodesOf(service);
    const half = await HalfRequest.begin(ready.url, JSON.stringify(requests.call(0, 2)));
    service.child.kill('SIGTERM');
    await until('the drain', () => draining(service));
    expect(service.child.exitCode).toBeNull();
    service.child.kill('SIGINT');
    expect((await service.ended).code).toBe(130);
    expect(await half.answer.catch(() => '')).toBe('');
    await until('the end of its node', () => !nodes.some(alive));
  });

  test('SIGKILL: its nodes end with it', async () => {
    const { service } = await started(...movies, '--nodes', '2');
    await using _ = service;
    const nodes = nodesOf(service);
    expect(nodes.filter(alive).length).toBe(2);
    service.child.kill('SIGKILL');
    await service.ended;
    await until('the end of its nodes', () => !nodes.some(alive));
  });
});
