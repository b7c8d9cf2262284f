// Lookups and scores over memory nodes from the command line give the same files as in one process.
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseRouting, routingJson, writeSafetensors } from '../../src/index.ts';
import { batchBagsMax } from '../../src/limits.ts';
import { writeTables } from '../tables-file.ts';
import {
  denseFile,
  done,
  flexemr,
  main,
  Running,
  refused,
  requestsFile,
  served,
  tablesFile,
} from './command.ts';
import { asked, at, out, tables } from './lookup-files.ts';
import { manyRequests, withFile } from './request-files.ts';
import { roundingBounds } from './rounding.ts';

const here = at('here.safetensors');
const sameFile = (): void => expect(readFileSync(out).equals(readFileSync(here))).toBe(true);

describe('lookup over nodes', () => {
  beforeAll(() => void done('lookup', ...tables, ...asked(here)));

  const pushDowns = ['auto', 'always', 'never'] as const;
  test.for(
    [1, 2, 3].flatMap((nodes, i) =>
      (['loopback', 'http', 'stream'] as const).map((transport, j) => ({
        nodes,
        transport,
        pushDown: pushDowns[(i + j) % 3],
      })),
    ),
  )('$nodes with whole tables, by $transport, push-down $pushDown: the same file', (how) => {
    const { nodes, transport, pushDown } = how;
    const args = ['--nodes', String(nodes), '--split', 'table', '--transport', transport];
    const report = done('lookup', ...tables, ...asked(), ...args, '--push-down', pushDown);
    sameFile();
    expect(report).toMatchObject({ requests: 200, tables: 13, lookups: 13, subrequests: 13 });
    expectMoved(report, pushDown, 13);
  });

  test.for([2, 3])(
    '%i with cut tables: the same file as loopback, and as one process except for rounding',
    async (nodes) => {
      const cut = ['--nodes', String(nodes), '--split', 'row'];
      const loopback = at('loopback.safetensors');
      done('lookup', ...tables, ...asked(loopback), ...cut, '--transport', 'loopback');
      for (const [i, transport] of (['stream', 'http'] as const).entries()) {
        const pushDown = pushDowns[(i + nodes) % 3];
        const args = [...cut, '--transport', transport, '--push-down', pushDown];
        const report = done('lookup', ...tables, ...asked(), ...args);
        expect(readFileSync(out).equals(readFileSync(loopback))).toBe(true);
        expectMoved(report, pushDown, report.subrequests as number);
      }
      await expectRounded(out, here);
    },
  );

  test('with a cache: the same file', () => {
    const cache = ['--cache', '10%', '--cache-off', 'user', '--cache-pin', 'movie', 'genres'];
    const report = done('lookup', ...tables, ...asked(), '--nodes', '2', ...cache, '--cache-admit', 'all');
    sameFile();
    expect(report.bagsCached).toBe(0);
  });

  test('by engines: the same file', () => {
    const report = done('lookup', ...tables, ...asked(), '--nodes', '2', '--threads', '2', '--engines', '2');
    sameFile();
    expect(report).toMatchObject({ lookups: 13 });
  });

  test('auto splits like plan, and one node needs no cuts', () => {
    const loopback = at('loopback.safetensors');
    done('lookup', ...tables, ...asked(loopback), '--nodes', '3', '--transport', 'loopback');
    done('lookup', ...tables, ...asked(), '--nodes', '3');
    expect(readFileSync(out).equals(readFileSync(loopback))).toBe(true);
    done('lookup', ...tables, ...asked(), '--nodes', '1', '--split', 'row', '--threads', '2');
    sameFile();
  });

  test('keeps rows in the dtype of --dtype', () => {
    const int8 = [...tables, '--dtype', 'int8'];
    const file = at('int8.safetensors');
    done('lookup', ...int8, ...asked(file));
    done('lookup', ...int8, ...asked(), '--nodes', '2', '--split', 'table');
    expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
    expect(readFileSync(out).equals(readFileSync(here))).toBe(false);
  });

  test('looks up requests in batches', async () => {
    const [times, many, file] = [30, at('many.safetensors'), at('many-here.safetensors')];
    expect(200 * times).toBeGreaterThan(batchBagsMax);
    await manyRequests(many, times);
    const local = done('lookup', ...tables, ...asked(file, many));
    const report = done('lookup', ...tables, ...asked(out, many), '--nodes', '2', '--split', 'table');
    expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
    expect(report).toMatchObject({ requests: 200 * times, lookups: local.lookups });
    expect(report.lookups).toBeGreaterThan(13);
  });

  test('sends smaller batches if a node has less memory for them', async () => {
    const [wide, requests, file] = [at('wide.safetensors'), at('wide-requests.safetensors'), at('wide-here')];
    const [rows, dim, bags] = [300, 1024, 4096];
    const values = Float32Array.from({ length: rows * dim }, (_, i) => Math.sin(i));
    await writeTables(wide, [{ spec: { name: 'wide', rows, dim, mode: 'sum' }, rows: values }]);
    await writeSafetensors(requests, [
      { name: 'indices_00', ...column(Array.from({ length: bags }, (_, i) => (i * 7) % rows)) },
      { name: 'offsets_00', ...column(Array.from({ length: bags + 1 }, (_, i) => i)) },
    ]);
    const from = ['--tables', wide];
    expect(done('lookup', ...from, ...asked(file, requests)).lookups).toBe(1);
    // Sixteen workers share the memory that one worker would have.
    const shared = ['--nodes', '1', '--threads', '16', '--push-down', 'always'];
    const report = done('lookup', ...from, ...asked(out, requests), ...shared);
    expect(report.lookups).toBeGreaterThan(1);
    expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
  });

  test('prints the transferred bytes on one line', () => {
    const { code, stdout, stderr } = flexemr('lookup', ...tables, ...asked(), '--nodes', '2');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^200 requests, .*\n13 lookups \([\d,]+\/s\), p50 [\d.]+ ms, p99 [\d.]+ ms; \d+ KB out, \d+ KB in; 13 subrequests, \d+ segments pooled at nodes, \d+ fetched, \d+ bags sent once, 0 from the cache\n$/,
    );
  });
});

function column(values: readonly number[]): {
  readonly dtype: 'I64';
  readonly shape: readonly number[];
  readonly data: BigInt64Array;
} {
  return { dtype: 'I64', shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

/** Checks the bytes and segments of a report, as far as they are known in advance. */
function expectMoved(report: Record<string, unknown>, pushDown: string, segments: number): void {
  const { bytesIn, bytesOut, segmentsPushed, segmentsFetched, bagsRepeated, p50Ms, p99Ms, lookupsPerSecond } =
    report as Record<string, number>;
  expect(segmentsPushed + segmentsFetched).toBe(segments);
  if (pushDown === 'always') expect(segmentsFetched).toBe(0);
  if (pushDown === 'never') expect(segmentsPushed).toBe(0);
  // Pooled vectors have 13 tables · 200 requests · 128 bytes, and a count each. Of equal bags, only one is sent.
  if (pushDown === 'always') expect(bytesIn).toBeGreaterThan((13 * 200 - bagsRepeated) * 132);
  if (pushDown !== 'never') expect(bytesOut).toBeGreaterThan(100_000);
  expect(Math.min(bytesIn, bytesOut, lookupsPerSecond, p50Ms)).toBeGreaterThan(0);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
}

/** Compares sums in two orders. Each is within γ(n) · Σ|x| of the true sum (Higham, 2002, section 4.2). */
async function expectRounded(path: string, other: string): Promise<void> {
  const bounds = await roundingBounds(tablesFile, requestsFile);
  let differing = 0;
  for (const [table, bound] of bounds.entries()) {
    const name = `pooled_${String(table).padStart(2, '0')}`;
    const [a, b] = await Promise.all(
      [path, other].map((own) => withFile(own, (file) => file.read(name, 'F32'))),
    );
    expect(a.length).toBe(bound.length);
    for (let i = 0; i < a.length; i++) {
      if (a[i] !== b[i]) differing++;
      if (!(Math.abs(a[i] - b[i]) <= bound[i]))
        expect.fail(`${name}[${i}]: ${a[i]}, ${b[i]}, bound ${bound[i]}`);
    }
  }
  // If no value differed, no table would have been cut.
  expect(differing).toBeGreaterThan(0);
}

describe('score over nodes', () => {
  const dense = ['--dense', denseFile];
  test('whole tables give the same file by every transport', () => {
    done('score', ...tables, ...dense, ...asked(here));
    for (const transport of ['loopback', 'http', 'stream']) {
      const args = ['--nodes', '2', '--split', 'table', '--transport', transport];
      const report = done('score', ...tables, ...dense, ...asked(), ...args);
      sameFile();
      expect(report).toMatchObject({ requests: 200, lookups: 1, subrequests: 2 });
    }
  });

  test('cut tables give the values of PyTorch', async () => {
    done('score', ...tables, ...dense, ...asked(), '--nodes', '3', '--split', 'row');
    for (const name of ['logit', 'prob']) {
      const expected = await withFile(requestsFile, (file) => file.read(`expected_${name}`, 'F32'));
      const got = await withFile(out, (file) => file.read(name, 'F32'));
      const apart = got.map((value, i) => Math.abs(value - expected[i]));
      expect(got.length).toBe(200);
      expect(Math.max(...apart)).toBeLessThanOrEqual(1e-5);
    }
  });
});

describe('running nodes', () => {
  test('are reached by a routing file and by a URL, without tables', async () => {
    const plan = at('plan.json');
    done('plan', ...tables, '--nodes', '2', '--split', 'table', '--out', plan);
    const started = await Promise.all(
      ['node0', 'node1'].map((node) => served(...tables, '--plan', plan, '--node', node)),
    );
    await using first = started[0].node;
    await using second = started[1].node;
    const planned = parseRouting(readFileSync(plan, 'utf8'), plan);
    const nodes = planned.nodes.map((node, i) => ({ ...node, url: started[i].ready.url }));
    const json = routingJson({ ...planned, nodes });
    const routing = at('routing.json');
    writeFileSync(routing, json);
    const server = createServer((_, response) => response.end(json)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/routing`;
    done('lookup', ...tables, ...asked(here));
    // `done` would block this process, which has to run the server.
    for (const where of [routing, url]) {
      rmSync(out, { force: true });
      await using lookup = new Running([main, 'lookup', '--routing', where, ...asked()]);
      expect(await lookup.ended).toMatchObject({ code: 0, stderr: '' });
      sameFile();
    }
    server.close();
    expect([first, second].map(({ stderr }) => stderr)).toEqual(['', '']);
    second.child.kill('SIGKILL');
    await second.ended;
    refused(['lookup', '--routing', routing, ...asked()], 1, /UNAVAILABLE: .*127\.0\.0\.1/);
  });
});
