// Looking up and scoring in memory nodes, from the command line: the same files as in one process, and no process left.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type KeyedBags,
  openRanker,
  parseRouting,
  routingJson,
  startLocalCluster,
  writeSafetensors,
} from '../../src/index.ts';
import { batchBagsMax, nodesMax } from '../../src/limits.ts';
import { writeTables } from '../tables-file.ts';
import {
  alive,
  denseFile,
  done,
  flexemr,
  main,
  Running,
  requestsFile,
  served,
  tablesFile,
  until,
} from './command.ts';
import { manyRequests, withFile } from './request-files.ts';
import { roundingBounds } from './rounding.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-nodes-'));
afterAll(() => rmSync(dir, { recursive: true }));
// A command that is killed leaves what it had there.
process.env.TMPDIR = dir;
const at = (file: string): string => join(dir, file);
const [here, out] = [at('here.safetensors'), at('out.safetensors')];
const tables = ['--tables', tablesFile];
const asked = (path = out, requests = requestsFile): string[] => ['--requests', requests, '--out', path];

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
    '%i with cut tables: the file of loopback, and what one process gives but for rounding',
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

  test('auto splits as plan does, and one node needs no cuts at all', () => {
    const loopback = at('loopback.safetensors');
    done('lookup', ...tables, ...asked(loopback), '--nodes', '3', '--transport', 'loopback');
    done('lookup', ...tables, ...asked(), '--nodes', '3');
    expect(readFileSync(out).equals(readFileSync(loopback))).toBe(true);
    done('lookup', ...tables, ...asked(), '--nodes', '1', '--split', 'row', '--threads', '2');
    sameFile();
  });

  test('keeps rows as asked', () => {
    const int8 = [...tables, '--dtype', 'int8'];
    const file = at('int8.safetensors');
    done('lookup', ...int8, ...asked(file));
    done('lookup', ...int8, ...asked(), '--nodes', '2', '--split', 'table');
    expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
    expect(readFileSync(out).equals(readFileSync(here))).toBe(false);
  });

  test('takes requests batch by batch', async () => {
    const [times, many, file] = [30, at('many.safetensors'), at('many-here.safetensors')];
    expect(200 * times).toBeGreaterThan(batchBagsMax);
    await manyRequests(many, times);
    const local = done('lookup', ...tables, ...asked(file, many));
    const report = done('lookup', ...tables, ...asked(out, many), '--nodes', '2', '--split', 'table');
    expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
    expect(report).toMatchObject({ requests: 200 * times, lookups: local.lookups });
    expect(report.lookups).toBeGreaterThan(13);
  });

  test('takes less at once where a node holds less', async () => {
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
    // Sixteen workers share the room that one would have.
    const shared = ['--nodes', '1', '--threads', '16', '--push-down', 'always'];
    const report = done('lookup', ...from, ...asked(out, requests), ...shared);
    expect(report.lookups).toBeGreaterThan(1);
    expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
  });

  test('says what moved, on a line for people', () => {
    const { code, stdout, stderr } = flexemr('lookup', ...tables, ...asked(), '--nodes', '2');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^200 requests, .*\n13 lookups \([\d,]+\/s\), p50 [\d.]+ ms, p99 [\d.]+ ms; \d+ KB out, \d+ KB in; 13 subrequests, \d+ segments pooled at nodes, \d+ fetched\n$/,
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

/** What a report says of bytes and segments, as far as it is known beforehand. */
function expectMoved(report: Record<string, unknown>, pushDown: string, segments: number): void {
  const { bytesIn, bytesOut, segmentsPushed, segmentsFetched, p50Ms, p99Ms, lookupsPerSecond } =
    report as Record<string, number>;
  expect(segmentsPushed + segmentsFetched).toBe(segments);
  if (pushDown === 'always') expect(segmentsFetched).toBe(0);
  if (pushDown === 'never') expect(segmentsPushed).toBe(0);
  // Pooled vectors are 13 tables · 200 requests · 128 bytes; keys that are fetched go out once each.
  if (pushDown === 'always') expect(bytesIn).toBeGreaterThan(13 * 200 * 128);
  if (pushDown !== 'never') expect(bytesOut).toBeGreaterThan(100_000);
  expect(Math.min(bytesIn, bytesOut, lookupsPerSecond, p50Ms)).toBeGreaterThan(0);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
}

/** Sums of the same terms in two orders: each is within γ(n) · Σ|x| of the true one (Higham, 2002, section 4.2). */
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
  // Or nothing was cut.
  expect(differing).toBeGreaterThan(0);
}

describe('score over nodes', () => {
  const dense = ['--dense', denseFile];
  test('whole tables give the same file, by any transport', () => {
    done('score', ...tables, ...dense, ...asked(here));
    for (const transport of ['loopback', 'http', 'stream']) {
      const args = ['--nodes', '2', '--split', 'table', '--transport', transport];
      const report = done('score', ...tables, ...dense, ...asked(), ...args);
      sameFile();
      expect(report).toMatchObject({ requests: 200, lookups: 1, subrequests: 2 });
    }
  });

  test('cut tables give what PyTorch gives', async () => {
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
  test('are found by a routing file and by a URL, without tables', async () => {
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
    // Not `done`: the server is in this process.
    for (const where of [routing, url]) {
      rmSync(out, { force: true });
      await using lookup = new Running(main, 'lookup', '--routing', where, ...asked());
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

describe('nodes that die', () => {
  test('a node that is killed fails lookups with its name, in time; the others go on', async () => {
    await using cluster = await startLocalCluster({ tables: tablesFile, nodes: 2, split: 'table' });
    await using ranker = await openRanker({ routing: cluster.routing });
    const on = (node: string): KeyedBags =>
      Object.fromEntries(
        cluster.routing.tables
          .filter(({ shards }) => shards.every((shard) => shard.node === node))
          .map(({ spec }) => [spec.name, { keys: [0], offsets: [0] }]),
      );
    const deadline = 2_000;
    for (const node of ['node0', 'node1']) await ranker.lookup(on(node), { deadline });
    let killed = Number.POSITIVE_INFINITY;
    const asking = (async () => {
      for (;;) await ranker.lookup(on('node1'), { deadline });
    })().catch((error: unknown) => error);
    killed = performance.now();
    process.kill(cluster.pids[1], 'SIGKILL');
    const error = await asking;
    expect(error).toMatchObject({ name: 'FlexemrError', node: 'node1' });
    expect(['UNAVAILABLE', 'NODE_FAILED', 'DEADLINE_EXCEEDED']).toContain((error as { code: string }).code);
    expect(performance.now() - killed).toBeLessThan(deadline + 1_000);
    expect((await ranker.lookup(on('node0'), { deadline })).failures).toEqual([]);
    const { failures } = await ranker.lookup(
      { ...on('node0'), ...on('node1') },
      { deadline, onFailure: 'partial' },
    );
    expect(failures.map(({ node }) => node)).toEqual(['node1']);
  });

  test('a node that cannot start says why, and no other is left', async () => {
    const starting = startLocalCluster({ tables: tablesFile, nodes: 2, workers: 1_000 });
    await expect(starting).rejects.toMatchObject({
      code: 'NODE_FAILED',
      message: expect.stringMatching(/^memory node node\d did not start: .*--workers.*1 to 64/),
    });
    refused(['lookup', '--tables', dir, ...asked(), '--nodes', '2'], 1, /INVALID_FILE/);
    await expect(startLocalCluster({ tables: tablesFile, nodes: 0 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      field: 'nodes',
    });
  });
});

describe('no process is left', () => {
  const script = at('parent.ts');
  beforeAll(() => {
    const index = new URL('../../src/index.ts', import.meta.url);
    writeFileSync(
      script,
      `import { startLocalCluster } from ${JSON.stringify(String(index))};
      const cluster = await startLocalCluster({ tables: ${JSON.stringify(tablesFile)}, nodes: 2 });
      console.log(JSON.stringify(cluster.pids));
      const [how] = process.argv.slice(2);
      if (how === 'throws') setTimeout(() => { throw new Error('on purpose'); });
      else if (how === 'exits') process.exit(3);
      else if (how === 'closes') await cluster.close();
      else setInterval(() => {}, 1000);`,
    );
  });

  test.for(['is killed', 'throws', 'exits', 'closes'])('of a cluster whose parent %s', async (how) => {
    await using parent = new Running(script, how);
    const pids: number[] = JSON.parse(await parent.line());
    expect(pids.length).toBe(2);
    if (how === 'is killed') {
      expect(pids.every(alive)).toBe(true);
      parent.child.kill('SIGKILL');
    }
    await parent.ended;
    await expectGone(pids);
  });

  test.for(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'of a lookup that gets %s while its nodes start',
    async (signal) => {
      await using lookup = new Running(main, 'lookup', ...tables, ...asked(), '--nodes', '3');
      let pids: number[] = [];
      await until('three nodes', () => {
        pids = childrenOf(lookup.pid);
        return pids.length === 3;
      });
      lookup.child.kill(signal);
      await lookup.ended;
      await expectGone(pids);
    },
  );
});

/** They end by themselves; where they do not, they end all the same. */
async function expectGone(pids: readonly number[]): Promise<void> {
  try {
    await until(`the end of ${pids.join(' and ')}`, () => !pids.some(alive), 10_000);
  } finally {
    for (const pid of pids) if (alive(pid)) process.kill(pid, 'SIGKILL');
  }
}

/** Processes that a process has started. */
function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** One line on stderr, nothing on stdout. */
function refused(args: readonly string[], code: number, line: RegExp): void {
  const ended = flexemr(...args);
  expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(/^flexemr: [^\n]+\n$/) });
  expect(ended.stderr).toMatch(line);
  expect(ended.stderr).not.toMatch(/TypeError|undefined|\n {4}at /);
}

describe('refused on one line', () => {
  const local = ['lookup', ...tables, ...asked()];
  const remote = ['lookup', '--routing', at('routing.json'), ...asked()];
  test.for([
    [['lookup', ...asked()], /--tables.*--routing/],
    [['score', ...asked(), '--dense', denseFile], /--tables.*--routing/],
    [[...local, '--nodes', '0'], new RegExp(`--nodes.*1 to ${nodesMax}`)],
    [[...local, '--nodes', '1.5'], /--nodes/],
    [[...local, '--nodes', '2', '--split', 'column'], /--split.*table, row, auto/],
    [[...local, '--nodes', '2', '--transport', 'pigeon'], /--transport.*loopback, http, stream/],
    [[...local, '--nodes', '2', '--push-down', 'often'], /--push-down.*auto, always, never/],
    [[...local, '--nodes', '2', '--deadline', '0'], /--deadline/],
    [[...local, '--nodes', '2', '--deadline', 'soon'], /--deadline/],
    [[...local, '--nodes', '2', '--threads', '65'], /--threads.*1 to 64/],
    [[...local, '--nodes', '2', '--transport', 'loopback', '--threads', '2'], /--threads.*loopback/],
    [[...local, '--nodes', '2', '--token-file', 'x'], /--token-file.*--routing/],
    [[...local, '--nodes', '2', '--ca', 'x'], /--ca.*--routing/],
    [[...local, '--split', 'row'], /--split.*--nodes/],
    [[...local, '--transport', 'http'], /--transport.*--nodes or --routing/],
    [[...local, '--push-down', 'never'], /--push-down.*--nodes or --routing/],
    [[...local, '--deadline', '5'], /--deadline.*--nodes or --routing/],
    [[...remote, '--nodes', '2'], /--routing.*--nodes/],
    [[...remote, ...tables], /--routing.*--tables/],
    [[...remote, '--dtype', 'int8'], /--routing.*--dtype/],
    [[...remote, '--threads', '2'], /--routing.*--threads/],
    [[...remote, '--split', 'row'], /--routing.*--split/],
    [[...remote, '--transport', 'loopback'], /loopback.*--routing/],
    [[...remote, '--cert', 'x'], /--cert.*--key/],
  ] as [string[], RegExp][])('with exit code 2: $1', ([args, line]) => refused(args, 2, line));

  test('with exit code 1', async () => {
    const plan = at('no-urls.json');
    done('plan', ...tables, '--nodes', '2', '--out', plan);
    refused(['lookup', '--routing', at('nowhere.json'), ...asked()], 1, /INVALID_FILE: .*nowhere/);
    refused(['lookup', '--routing', 'http://127.0.0.1:9/', ...asked()], 1, /UNAVAILABLE: .*127\.0\.0\.1:9/);
    refused(['lookup', '--routing', plan, ...asked()], 1, /INVALID_ROUTING: .*url/);
    refused(['lookup', '--routing', tablesFile, ...asked()], 1, /INVALID_ROUTING/);
    refused(
      ['lookup', '--routing', plan, ...asked(), '--token-file', at('nothing')],
      1,
      /INVALID_FILE: .*nothing/,
    );
    const bad = at('bad.safetensors');
    let position = 0;
    await manyRequests(bad, 1, (name, data) => {
      if (name !== 'indices_05') return data;
      position = data.length - 1;
      return (data as BigInt64Array).map((key, i) => (i === position ? 1_000_000n : key));
    });
    const place = new RegExp(`INVALID_KEY: .*bad.safetensors: indices_05\\[${position}\\].*1000000`);
    for (const split of ['table', 'row'])
      refused(['lookup', ...tables, ...asked(out, bad), '--nodes', '2', '--split', split], 1, place);
    refused([...local, '--nodes', '2', '--deadline', '0.001'], 1, /DEADLINE_EXCEEDED/);
  });
});

test.for(['lookup', 'score'])('help of %s shows examples with nodes', (command) => {
  const { code, stdout } = flexemr(command, '--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    new RegExp(`Example:\\n(?: {2}flexemr ${command} .*\\n)* {2}flexemr ${command} .*--nodes 2`),
  );
});
