// Reads routing from real files that are replaced, truncated and deleted, and from a real server.
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fileRouting, writeRouting } from '../../src/host/file-routing.ts';
import { httpRouting } from '../../src/host/http-routing.ts';
import { routingFilePollMs, routingUrlPollMs } from '../../src/limits.ts';
import { routingJson } from '../../src/plan/routing-json.ts';
import { fixedRouting, type RoutingSource } from '../../src/plan/routing-source.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-routing-'));
afterAll(() => rmSync(dir, { recursive: true }));

const routingOf = (version: number): RoutingTable => ({
  nodes: [{ id: 'a', url: 'http://127.0.0.1:7000' }],
  tables: [
    {
      spec: { name: 't', rows: 4, dim: 2, mode: 'sum' },
      version,
      indexed: false,
      shards: [{ node: 'a', begin: 0, end: 4 }],
    },
  ],
});
const jsonOf = (version: number): string => routingJson(routingOf(version));

/** Records what a watcher gets: versions of the table, and codes of errors. */
class Log {
  readonly told: (number | string)[] = [];
  readonly messages: string[] = [];
  readonly stop: () => void;

  constructor(source: RoutingSource) {
    this.stop = source.watch(
      (routing) => this.told.push(routing.tables[0].version),
      (error) => {
        this.told.push((error as { code?: string }).code ?? String(error));
        this.messages.push(error.message);
      },
    );
  }

  async is(...expected: (number | string)[]): Promise<void> {
    await vi.waitFor(() => expect(this.told.length).toBeGreaterThanOrEqual(expected.length), 20_000);
    expect(this.told).toEqual(expected);
  }
}

const logs: Log[] = [];
function watch(source: RoutingSource): Log {
  const log = new Log(source);
  logs.push(log);
  return log;
}
afterEach(() => {
  for (const log of logs.splice(0)) log.stop();
});

describe('routing that never changes', () => {
  test('is a checked copy of its argument', async () => {
    const given = routingOf(1);
    const source = fixedRouting(given);
    expect(await source.read()).toEqual(given);
    (given.nodes as unknown[]).length = 0;
    expect(await source.read()).toEqual(routingOf(1));
    expect(() => fixedRouting(given)).toThrow(
      expect.objectContaining({ code: 'INVALID_ROUTING', field: 'nodes' }),
    );
    const log = watch(source);
    await sleep(20);
    expect(log.told).toEqual([]);
  });
});

describe('routing in a file', () => {
  const polls = (count: number): Promise<void> => sleep(count * routingFilePollMs);
  let path: string;
  let files = 0;
  beforeEach(() => {
    path = join(dir, `plan${files++}.json`);
    writeFileSync(path, jsonOf(1));
  });

  test('is read', async () => {
    expect(await fileRouting(path).read()).toEqual(routingOf(1));
  });

  test.for([
    ['that is missing', join(dir, 'nowhere.json'), 'INVALID_FILE'],
    ['that is a folder', dir, 'INVALID_FILE'],
    ['that is not a routing table', join(import.meta.dirname, 'routing-source.test.ts'), 'INVALID_ROUTING'],
  ])('%s is refused', async ([, file, code]) => {
    await expect(fileRouting(file).read()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(file),
    });
  });

  const replace = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };

  test('that is replaced several times is reported once each time', async () => {
    const source = fileRouting(path);
    await source.read();
    const log = watch(source);
    for (let version = 2; version < 6; version++) {
      replace(jsonOf(version));
      await log.is(...[2, 3, 4, 5].slice(0, version - 1));
    }
    await polls(4);
    await log.is(2, 3, 4, 5);
  });

  test('that is overwritten is reported, even if its size stays the same', async () => {
    const source = fileRouting(path);
    await source.read();
    const log = watch(source);
    writeFileSync(path, jsonOf(2));
    await log.is(2);
    writeFileSync(path, jsonOf(3));
    await log.is(2, 3);
  });

  test('behind a link is reported when the link changes', async () => {
    const link = `${path}.link`;
    symlinkSync(path, link);
    const source = fileRouting(link);
    await source.read();
    const log = watch(source);
    writeFileSync(`${path}.other`, jsonOf(2));
    symlinkSync(`${path}.other`, `${link}.new`);
    renameSync(`${link}.new`, link);
    await log.is(2);
  });

  test('that is written in small pieces is read when it stops growing', async () => {
    const source = fileRouting(path);
    await source.read();
    const log = watch(source);
    const text = jsonOf(20_000);
    for (let end = 1; end < text.length; end += Math.ceil(text.length / 20)) {
      writeFileSync(path, text.slice(0, end));
      await sleep(routingFilePollMs / 2);
    }
    expect(log.told).toEqual([]);
    writeFileSync(path, text);
    await log.is(20_000);
  });

  test('that stays incomplete is reported once, and the old routing is kept until it is complete', async () => {
    const source = fileRouting(path);
    await source.read();
    const log = watch(source);
    const text = jsonOf(2);
    writeFileSync(path, text.slice(0, 50));
    await log.is('INVALID_ROUTING');
    await polls(6);
    await log.is('INVALID_ROUTING');
    expect(log.messages[0]).toContain(path);
    writeFileSync(path, text);
    await log.is('INVALID_ROUTING', 2);
    // The file breaks and then has its old content again, so only the break is reported.
    writeFileSync(path, 'x');
    await log.is('INVALID_ROUTING', 2, 'INVALID_ROUTING');
    writeFileSync(path, text);
    await polls(6);
    await log.is('INVALID_ROUTING', 2, 'INVALID_ROUTING');
  });

  test('that is deleted is reported once, and reported again when a changed file exists', async () => {
    const source = fileRouting(path);
    await source.read();
    const log = watch(source);
    rmSync(path);
    await log.is('INVALID_FILE');
    await polls(5);
    writeFileSync(path, jsonOf(1));
    await polls(5);
    await log.is('INVALID_FILE');
    rmSync(path);
    await log.is('INVALID_FILE', 'INVALID_FILE');
    writeFileSync(path, jsonOf(2));
    await log.is('INVALID_FILE', 'INVALID_FILE', 2);
  });

  test('that changed between reading and watching is reported', async () => {
    const source = fileRouting(path);
    await source.read();
    writeFileSync(path, jsonOf(2));
    await watch(source).is(2);
  });

  test('that was never read is reported when watching starts', async () => {
    await watch(fileRouting(path)).is(1);
  });

  test('is not read any more after watching has ended', async () => {
    const source = fileRouting(path);
    await source.read();
    const [log, other] = [watch(source), watch(source)];
    log.stop();
    log.stop();
    replace(jsonOf(2));
    await other.is(2);
    await polls(3);
    await log.is();
  });

  test('is written so that no reader gets an incomplete file', async () => {
    const source = fileRouting(path);
    await source.read();
    const log = watch(source);
    await writeRouting(path, routingOf(2));
    expect(readFileSync(path, 'utf8')).toBe(jsonOf(2));
    await log.is(2);
    const nowhere = join(dir, 'no', 'plan.json');
    await expect(writeRouting(nowhere, routingOf(2))).rejects.toMatchObject({
      code: 'INVALID_FILE',
      value: nowhere,
    });
    expect(readdirSync(dir).filter((name) => name.includes('tmp'))).toEqual([]);
  });
});

describe('routing from a server', () => {
  let server: Server;
  let url: string;
  /** Answers the next request. */
  let answer: RequestListener;
  let asked = 0;
  let statuses: number[];
  beforeEach(async () => {
    [asked, statuses] = [0, []];
    server = createServer((request, response) => {
      asked++;
      response.on('close', () => statuses.push(response.statusCode));
      answer(request, response);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/plan.json`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const plain =
    (text: string, etag?: string): RequestListener =>
    (request, response) => {
      if (etag !== undefined) response.setHeader('etag', etag);
      response.statusCode = etag !== undefined && request.headers['if-none-match'] === etag ? 304 : 200;
      response.end(response.statusCode === 304 ? undefined : text);
    };
  const failing =
    (status: number): RequestListener =>
    (_, response) => {
      response.statusCode = status;
      response.end('no');
    };

  test('is read', async () => {
    answer = plain(jsonOf(3));
    expect(await httpRouting(url).read()).toEqual(routingOf(3));
  });

  test.for(['plan.json', 'ftp://a/b', 'http://', ''])('from the URL %j is refused', (wrong) => {
    expect(() => httpRouting(wrong)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', field: 'url', value: wrong }),
    );
  });

  test.for([0, 0.5, Number.NaN, 2 ** 31])('polled every %s ms is refused', (pollMs) => {
    expect(() => httpRouting(url, { pollMs })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', field: 'pollMs', value: pollMs }),
    );
  });

  test('is refused if the server gives another answer, or no answer', async () => {
    for (const status of [404, 500, 304, 204]) {
      answer = failing(status);
      const refused = {
        code: 'UNAVAILABLE',
        field: 'url',
        value: url,
        message: expect.stringContaining(String(status)),
      };
      await expect(httpRouting(url).read()).rejects.toMatchObject(refused);
    }
    answer = plain('<html>');
    await expect(httpRouting(url).read()).rejects.toMatchObject({ code: 'INVALID_ROUTING' });
    answer = (request) => request.socket.destroy();
    await expect(httpRouting(url).read()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const nobody = httpRouting('http://127.0.0.1:1/');
    await expect(nobody.read()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    });
  });

  test.for([true, false])('is watched; with an ETag: %s', async (tagged) => {
    const serve = (version: number): RequestListener =>
      plain(jsonOf(version), tagged ? `"v${version}"` : undefined);
    answer = serve(1);
    const source = httpRouting(url, { pollMs: 50 });
    await source.read();
    const log = watch(source);
    await vi.waitFor(() => expect(asked).toBeGreaterThanOrEqual(3), 20_000);
    await log.is();
    expect(statuses.includes(304)).toBe(tagged);
    answer = serve(2);
    await log.is(2);
    answer = failing(503);
    await log.is(2, 'UNAVAILABLE');
    const before = asked;
    await vi.waitFor(() => expect(asked).toBeGreaterThanOrEqual(before + 2), 20_000);
    answer = serve(2);
    await vi.waitFor(() => expect(asked).toBeGreaterThanOrEqual(before + 4), 20_000);
    await log.is(2, 'UNAVAILABLE');
    // The same error is reported again, because the server answered well in between.
    answer = failing(503);
    await log.is(2, 'UNAVAILABLE', 'UNAVAILABLE');
    answer = plain('{}', '"none"');
    await log.is(2, 'UNAVAILABLE', 'UNAVAILABLE', 'INVALID_ROUTING');
    answer = serve(4);
    await log.is(2, 'UNAVAILABLE', 'UNAVAILABLE', 'INVALID_ROUTING', 4);
  });

  test('is not requested any more after watching has ended, even with a request in flight', async () => {
    let late: (() => void) | undefined;
    answer = (request, response) => {
      late = () => plain(jsonOf(2))(request, response);
    };
    const log = watch(httpRouting(url));
    await vi.waitFor(() => expect(late).toBeDefined(), 20_000);
    log.stop();
    late?.();
    const before = asked;
    await sleep(2 * routingUrlPollMs);
    expect(asked).toBe(before);
    await log.is();
  });
});
