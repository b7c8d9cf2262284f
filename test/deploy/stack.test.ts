// The services of deploy/compose.yaml, as processes: they serve, Prometheus sees all of it, and SIGTERM ends each of them well.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { panels } from '../../page/panels.js';
import { root } from '../rdma/vitest-run.ts';
import { chartsOf } from './charts.ts';
import { request, Stack, tokens } from './stack.ts';

const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack[Symbol.asyncDispose]());

const rank = (body: string, token?: string): Promise<Response> => stack.rank(body, token);

async function prometheus<T>(path: string): Promise<T> {
  const answer = await fetch(`http://${stack.address('prometheus')}:9090/api/v1/${path}`);
  return ((await answer.json()) as { readonly data: T }).data;
}

test('all services that run are process 1 of their container, without privileges and within their memory', () => {
  for (const { name, memoryBytes } of stack.services) {
    const container = stack.of(name);
    if (name === 'plan') continue;
    const told = ['NSpid', 'Uid', 'CapEff', 'NoNewPrivs'].map((field) =>
      container.status(field).split(/\s+/),
    );
    expect([name, told[0].at(-1), told[1][0], told[2][0], told[3][0]]).toEqual([
      name,
      ...['1', '1000', '0000000000000000', '1'],
    ]);
    const most = Number.parseInt(container.status('VmHWM'), 10) * 1024;
    expect(most).toBeGreaterThan(0);
    expect([name, most < memoryBytes]).toEqual([name, true]);
  }
});

test('the ranker answers as docs/operating.md says, and only who has the token', async () => {
  const answer = await rank(request);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({
    ranked: [{ candidate: 1, score: expect.closeTo(0.7231229, 5) }],
  });
  expect((await rank(request, tokens['nodes-token'])).status).toBe(401);
});

test('a plan that is published again changes nothing', async () => {
  stack.restart('plan');
  expect(await stack.of('plan').exited).toEqual({ code: 0, signal: null });
  expect(stack.of('plan').output).toMatch(/^published to nats:\/\/nats:4222\/flexemr, revision 2@/m);
});

test('a swap by the command of docs/deployment.md, after which the plan is left as it is', async () => {
  const text = readFileSync(join(root, 'docs/deployment.md'), 'utf8');
  const [, words] = /^docker compose .* run --rm ranker ((?:[^\\\n]|\\\n)*)$/m.exec(text) ?? [];
  // The same rows have a version of their own.
  const command = words.replaceAll('\\\n', ' ').replace('tables-2', 'tables').split(/\s+/);
  const swapped = await stack.run(command);
  expect(swapped).toMatchObject({ code: 0, output: expect.stringMatching(/done in .* s\n$/) });
  stack.restart('plan');
  expect(await stack.of('plan').exited).toEqual({ code: 0, signal: null });
  expect(stack.of('plan').output).toMatch(/^not published: .* serves another plan/m);
  expect((await stack.rank()).status).toBe(200);
});

interface Target {
  readonly scrapeUrl: string;
  readonly health: string;
  readonly lastError: string;
}
interface Group {
  readonly rules: readonly { readonly name: string; readonly health: string; readonly state?: string }[];
}

test('Prometheus reaches all servers, and its rules work', async () => {
  const targets = async (): Promise<string[]> =>
    (await prometheus<{ readonly activeTargets: readonly Target[] }>('targets')).activeTargets
      .map(({ scrapeUrl, health, lastError }) => `${scrapeUrl} ${health} ${lastError}`.trim())
      .sort();
  await expect
    .poll(targets)
    .toEqual(['node-a:4100', 'node-b:4100', 'ranker:8080'].map((name) => `http://${name}/metrics up`));
  const rules = async (): Promise<string[]> =>
    (await prometheus<{ readonly groups: readonly Group[] }>('rules')).groups.flatMap((group) =>
      group.rules.map(({ health }) => health),
    );
  await expect.poll(async () => new Set(await rules())).toEqual(new Set(['ok']));
});

test('the console has the charts of the page, and each line has figures', async () => {
  const answer = await fetch(`http://${stack.address('prometheus')}:9090/consoles/flexemr.html`);
  expect({ status: answer.status, type: answer.headers.get('content-type') }).toEqual({
    status: 200,
    type: expect.stringContaining('text/html'),
  });
  const charts = chartsOf(await answer.text());
  expect(charts.map(({ title }) => title)).toEqual(panels.map(({ title }) => title));
  const missing = async (): Promise<string[]> => {
    // An error of the client, so that there are errors.
    await Promise.all([rank(request), rank(request.replace('"movie": 1188', '"movie": 1000000'))]);
    const without = charts.flatMap(({ title, lines }) =>
      Object.entries(lines).map(async ([line, query]) => {
        const { result } = await prometheus<{
          readonly result: readonly { readonly value: [number, string] }[];
        }>(`query?query=${encodeURIComponent(query)}`);
        return result.some(({ value }) => Number.isFinite(Number(value[1]))) ? [] : [`${title} ${line}`];
      }),
    );
    return (await Promise.all(without)).flat();
  };
  await expect.poll(missing).toEqual([]);
});

test('SIGTERM ends all services with 0, in the reverse order, and what was in progress is answered', async () => {
  for (const { name, health } of stack.services)
    if (health !== undefined) expect([name, await stack.health(name)]).toEqual([name, 'healthy']);
  const asked = Array.from({ length: 8 }, async () => (await rank(request)).status);
  const ended = await stack.stop();
  expect(Object.keys(ended)).toEqual(['prometheus', 'ranker', 'node-b', 'node-a', 'nats']);
  expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
  const wrong = Object.entries(ended).filter(([, { code }]) => code !== 0);
  expect(wrong.map(([name, exited]) => ({ name, exited, output: stack.of(name).output }))).toEqual([]);
  for (const name of ['ranker', 'node-a', 'node-b'])
    expect(stack.of(name).output).toMatch(/"cause":"SIGTERM".*"draining"(.|\n)*"drained"/);
});
