// `flexemr serve` as a process: its ready line, its signals and its exit.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRequests } from '../../examples/movielens/requests.ts';
import {
  FlexemrError,
  type KeyedBags,
  type Lookup,
  openRanker,
  openTables,
  parseRouting,
  type RoutingTable,
  writeRouting,
} from '../../src/index.ts';
import { drainMsMax } from '../../src/limits.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { bitsOf } from '../30.plan/expected.ts';
import { certificates } from '../60.transport/certificates.ts';
import { done, flexemr, main, Running, refused, requestsFile, served, tablesFile, until } from './command.ts';
import { withFile } from './request-files.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-serve-'));
afterAll(() => rmSync(dir, { recursive: true }));
const at = (file: string): string => join(dir, file);
const [onePlan, twoPlan, out] = [at('one.json'), at('two.json'), at('out.safetensors')];
beforeAll(() => {
  for (const [nodes, plan] of [
    [1, onePlan],
    [2, twoPlan],
  ] as const)
    done('plan', '--tables', tablesFile, '--nodes', String(nodes), '--split', 'table', '--out', plan);
});

const one = ['--tables', tablesFile, '--plan', onePlan, '--node', 'node0'];

/** The routing table of a plan file, with the URLs of its nodes. */
function routed(plan: string, urls: readonly string[]): RoutingTable {
  const routing = parseRouting(readFileSync(plan, 'utf8'), plan);
  return { ...routing, nodes: routing.nodes.map((node, i) => ({ ...node, url: urls[i] })) };
}

const bitsOfAll = (lookup: Lookup): object =>
  [...lookup].map(([name, pooled]) => [name, bitsOf(pooled)] as const);

/** All requests of the example, with their results from tables in this process. */
async function exampleBags(): Promise<{ readonly bags: KeyedBags; readonly expected: object }> {
  await using tables = await openTables(tablesFile);
  const names = tables.specs.map(({ name }) => name);
  const { bags } = await withFile(requestsFile, (file) => readRequests(file, names));
  return { bags, expected: bitsOfAll(await tables.lookup(bags)) };
}

/** The statistics of the only worker of a node when the node was drained. */
function drainedStats(node: Running): { readonly subrequests: number; readonly held: number } {
  const [line] = node.log.filter(({ msg }) => msg === 'drained');
  const [worker] = line.workers as [{ subrequests: number; held: number }];
  return worker;
}

describe('ready', () => {
  test('is reported on one line, and the node answers', async () => {
    await using node = new Running([main, 'serve', ...one, '--workers', '2']);
    const line = await node.line();
    const [, url, ports] =
      /^node0 is ready at (http:\/\/127\.0\.0\.1:\d+): 2 workers at ports ([\d, ]+); 13 tables, 7\.92 MiB$/.exec(
        line,
      ) ?? expect.fail(line);
    expect(ports.split(', ').length).toBe(2);
    for (const port of ports.split(', '))
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    const { node: id, tables, workers } = await (await fetch(`${url}/v1/tables`)).json();
    expect([id, tables.length, workers.length]).toEqual(['node0', 13, 2]);
    expect([node.stdout, node.stderr]).toEqual([`${line}\n`, '']);
  });

  test('is reported on one line of JSON with --json, with the requested ports', async () => {
    const port = await freePorts(3);
    const ports = ['--port', String(port), '--workers', '2', '--common-port', String(port + 2)];
    const { node, ready } = await served(
      ...['--tables', tablesFile, '--plan', twoPlan, '--node', 'node1'],
      ...ports,
    );
    await using _ = node;
    const [, { bytes }] = (
      done('plan', '--tables', tablesFile, '--nodes', '2', '--split', 'table') as {
        nodes: { bytes: number }[];
      }
    ).nodes;
    const url = `http://127.0.0.1:${port}`;
    const tables = (await (await fetch(`${url}/v1/tables`)).json()).tables.length;
    expect(ready).toEqual({ ready: true, node: 'node1', url, ports: [port, port + 1], tables, bytes });
    for (const own of [port, port + 1, port + 2])
      expect((await fetch(`http://127.0.0.1:${own}/healthz`)).status).toBe(200);
  });
});

/** @returns the first of `count` free ports in a row */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const servers = [createServer().listen(0, '127.0.0.1')];
    await once(servers[0], 'listening');
    const { port } = servers[0].address() as AddressInfo;
    let free = port + count <= 65_536;
    for (let i = 1; i < count && free; i++) {
      const server = createServer().listen(port + i, '127.0.0.1');
      free = await Promise.race([
        once(server, 'listening').then(() => true),
        once(server, 'error').then(() => false),
      ]);
      if (free) servers.push(server);
    }
    for (const server of servers) server.close();
    if (free) return port;
  }
}

describe('the end', () => {
  test.for(['SIGTERM', 'SIGINT'] as const)('%s: drains, logs JSON, exits with 0', async (signal) => {
    const { node } = await served(...one);
    await using _ = node;
    node.child.kill(signal);
    expect((await node.ended).code).toBe(0);
    expect(node.log).toEqual([
      expect.objectContaining({ node: 'node0', msg: 'draining', cause: signal }),
      expect.objectContaining({ node: 'node0', msg: 'drained' }),
    ]);
  });

  test('SIGTERM with --log-level: writes no entries that are less severe', async () => {
    const { node } = await served(...one, '--log-level', 'warn');
    await using _ = node;
    node.child.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0, stderr: '' });
  });

  test.for(['stream', 'http'] as const)(
    'SIGTERM under load by %s: all admitted lookups are answered',
    async (transport) => {
      const { bags, expected } = await exampleBags();
      const { node, ready } = await served(...one);
      await using _ = node;
      await using ranker = await openRanker({ routing: routed(onePlan, [ready.url]), transport });
      const tally = { answered: 0, refused: 0 };
      const ask = async (): Promise<void> => {
        while (tally.refused < 8) {
          const found = await ranker.lookup(bags).catch((error: unknown) => error);
          if (found instanceof FlexemrError) {
            expect(found).toMatchObject({ code: 'UNAVAILABLE', node: 'node0' });
            tally.refused++;
          } else {
            expect(bitsOfAll(found as Lookup)).toEqual(expected);
            // Once: a second signal would end the drain.
            if (++tally.answered === 40) node.child.kill('SIGTERM');
          }
        }
      };
      await Promise.all(Array.from({ length: 8 }, ask));
      expect((await node.ended).code).toBe(0);
      // Each lookup is one subrequest, so a lost answer would make these numbers differ.
      expect(drainedStats(node)).toMatchObject({ subrequests: tally.answered, held: 0 });
      expect(tally.answered).toBeGreaterThanOrEqual(40);
    },
  );

  test('a second signal ends it at once, even with subrequests in flight', async () => {
    const { node, ready } = await served(...one);
    await using _ = node;
    const socket = await halfRequest(ready.ports[0]);
    const started = performance.now();
    node.child.kill('SIGTERM');
    await until('it drains', () => node.stderr.includes('draining'));
    await sleep(300);
    expect(node.child.exitCode).toBe(null);
    node.child.kill('SIGTERM');
    expect((await node.ended).code).toBe(128 + 15);
    expect(performance.now() - started).toBeLessThan(drainMsMax / 2);
    socket.destroy();
  });

  test('a signal during loading ends it too', async () => {
    const tables = at('large.safetensors');
    await writeZeros(tables);
    const plan = at('large.json');
    done('plan', '--tables', tables, '--nodes', '1', '--dtype', 'int4', '--out', plan);
    const port = await freePorts(1);
    const args = ['--tables', tables, '--plan', plan, '--node', 'node0', '--port', String(port)];
    await using node = new Running([main, 'serve', ...args]);
    const status = (path: string): Promise<number> =>
      fetch(`http://127.0.0.1:${port}${path}`).then(
        ({ status }) => status,
        () => 0,
      );
    await until('it listens', async () => (await status('/healthz')) === 200);
    expect(await status('/readyz')).toBe(503);
    node.child.kill('SIGTERM');
    expect(await node.ended).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

/** Sends only the beginning of a lookup, which the node then holds. */
async function halfRequest(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const head = `POST /v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Type: ${frameType}\r\n`;
  socket.write(`${head}Content-Length: 4096\r\n\r\n`);
  await sleep(200);
  return socket;
}

/** Writes a sparse file with a table of 1 GiB. */
async function writeZeros(path: string): Promise<void> {
  const [rows, dim] = [2 ** 22, 64];
  const spec = { name: 'large', rows, dim, mode: 'sum', tensor: 'large' };
  const tensor = { dtype: 'F32', shape: [rows, dim], data_offsets: [0, rows * dim * 4] };
  const json = JSON.stringify({ __metadata__: { tables: JSON.stringify([spec]) }, large: tensor });
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  await using file = await open(path, 'w');
  await file.write(Buffer.concat([size, header]));
  await file.truncate(8 + header.length + rows * dim * 4);
}

describe('strangers', () => {
  const { ca, stranger, node: own, ranker } = certificates;
  const files = {
    ca,
    stranger,
    cert: own.cert,
    key: own.key,
    rankerCert: ranker.cert,
    rankerKey: ranker.key,
  };
  const pem = (name: keyof typeof files): string => at(`${name}.pem`);
  beforeAll(() => {
    for (const [name, text] of Object.entries(files)) writeFileSync(pem(name as keyof typeof files), text);
    writeFileSync(at('token'), 'open-sesame\n');
    writeFileSync(at('other-token'), 'open-barley');
  });

  /** Looks up the example's requests at the node. Expects the file of tables in this process, or the refusal. */
  async function expectLookup(url: string, args: readonly string[], refusal?: RegExp): Promise<void> {
    const routing = at('routing.json');
    await writeRouting(routing, routed(onePlan, [url]));
    const asked = ['lookup', '--routing', routing, '--requests', requestsFile, '--out', out, ...args];
    const { code, stderr } = flexemr(...asked);
    if (refusal === undefined) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    else expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(refusal) });
  }

  test('without the token of the node are refused', async () => {
    const { node, ready } = await served(...one, '--token-file', at('token'));
    await using _ = node;
    expect((await fetch(`${ready.url}/v1/tables`)).status).toBe(401);
    for (const transport of ['stream', 'http']) {
      const by = ['--transport', transport];
      await expectLookup(ready.url, by, /^flexemr: UNAUTHORIZED: [^\n]*\n$/);
      await expectLookup(
        ready.url,
        [...by, '--token-file', at('other-token')],
        /^flexemr: UNAUTHORIZED: [^\n]*\n$/,
      );
      await expectLookup(ready.url, [...by, '--token-file', at('token')]);
    }
    expect(node.stdout + node.stderr).not.toContain('sesame');
  });

  test('without a trusted certificate are refused, and the ranker does not trust another node', async () => {
    const tls = ['--cert', pem('cert'), '--key', pem('key'), '--ca', pem('ca')];
    const { node, ready } = await served(...one, ...tls);
    await using _ = node;
    expect(ready.url).toMatch(/^https:/);
    const mine = ['--cert', pem('rankerCert'), '--key', pem('rankerKey')];
    for (const transport of ['stream', 'http']) {
      const by = ['--transport', transport];
      await expectLookup(ready.url, [...by, '--ca', pem('ca'), ...mine]);
      for (const args of [['--ca', pem('ca')], mine, ['--ca', pem('stranger'), ...mine]])
        await expectLookup(ready.url, [...by, ...args], /^flexemr: UNAVAILABLE: [^\n]*\n$/);
    }
  });
});

describe('wrong options are refused on one line', () => {
  const bad = at('bad.pem');
  beforeAll(() => {
    writeFileSync(bad, '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n');
    writeFileSync(at('empty'), '\n');
    writeFileSync(at('two-lines'), 'a\r\nb: c');
  });

  test.for([
    [[], /--tables/],
    [['--tables', tablesFile], /--plan/],
    [['--tables', tablesFile, '--plan', onePlan], /--node/],
    [[...one, '--port', '65536'], /--port.*0 to 65535/],
    [[...one, '--port', '-1'], /--port/],
    [[...one, '--port', 'http'], /--port/],
    [[...one, '--common-port', '1e9'], /--common-port/],
    [[...one, '--workers', '0'], /--workers.*1 to 64/],
    [[...one, '--workers', '65'], /--workers.*1 to 64/],
    [[...one, '--log-level', 'loud'], /--log-level.*debug, info/],
    [[...one, '--insecur'], /--insecur/],
    [[...one, '--zone', ''], /--zone.*1 to 1024 characters/],
    [[...one, '--zone', 'rack1'], /--zone.*NATS: give --plan nats:/],
    [[...one, 'more'], /too many|excess/i],
  ] as [string[], RegExp][])('with exit code 2: $1', ([args, line]) => refused(['serve', ...args], 2, line));

  test.for([
    [['--tables', tablesFile, '--plan', at('none'), '--node', 'node0'], /INVALID_FILE: .*none/],
    [['--tables', tablesFile, '--plan', tablesFile, '--node', 'node0'], /INVALID_ROUTING/],
    [['--tables', at('none'), '--plan', onePlan, '--node', 'node0'], /INVALID_FILE: .*none/],
    [['--tables', requestsFile, '--plan', onePlan, '--node', 'node0'], /INVALID_(FILE|ROUTING)/],
    [['--tables', tablesFile, '--plan', onePlan, '--node', 'node9'], /INVALID_ROUTING: .*node9/],
    [[...one, '--port', '65535', '--workers', '2'], /INVALID_OPTION: port/],
    [[...one, '--host', '0.0.0.0'], /INVALID_OPTION: .*--insecure/],
    [[...one, '--host', '192.0.2.1', '--insecure'], /UNAVAILABLE: .*192\.0\.2\.1/],
    [[...one, '--cert', bad], /INVALID_OPTION: .*key/],
    [[...one, '--ca', bad], /INVALID_OPTION: .*certificate/],
    [[...one, '--cert', bad, '--key', bad], /INVALID_OPTION: .*certificate/],
    [[...one, '--cert', tablesFile, '--key', bad], /INVALID_FILE: .*PEM/],
    [[...one, '--key', at('none'), '--cert', bad], /INVALID_FILE: .*none/],
    [[...one, '--token-file', at('none')], /INVALID_FILE: .*none/],
    [[...one, '--token-file', at('empty')], /INVALID_FILE: .*token/],
    [[...one, '--token-file', at('two-lines')], /INVALID_FILE: .*token/],
  ] as [string[], RegExp][])('with exit code 1: $1', ([args, line]) => refused(['serve', ...args], 1, line));

  test('a port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    refused(['serve', ...one, '--port', String(port)], 1, new RegExp(`UNAVAILABLE: .*127.0.0.1:${port}`));
    server.close();
  });
});

test('help shows an example', () => {
  const { code, stdout } = flexemr('serve', '--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(/Example:\n {2}flexemr serve --tables \S+ --plan \S+ --node \S+/);
});
