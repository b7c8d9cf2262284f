// Tables from a server: what is asked for, what is refused, and what the errors say.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openTables, SafetensorsFile } from '../../src/index.ts';
import { tableAttemptsMax, tableRedirectsMax, tableRequestsMax } from '../../src/table-limits.ts';
import { refused } from '../refusal.ts';
import { type Fault, FaultyServer } from './faulty-server.ts';
import { loaded, writeFileOfTables } from './http-files.ts';
import { smallLimits } from './http-limits.ts';

vi.mock('../../src/table-limits.ts', async (original) => ({
  ...(await original<object>()),
  ...(await import('./http-limits.ts')).smallLimits,
}));

const dir = mkdtempSync(join(tmpdir(), 'flexemr-http-'));
const path = join(dir, 'tables.safetensors');
let bytes: Uint8Array;
let server: FaultyServer;
/** Another origin. */
let elsewhere: FaultyServer;
let url: string;
beforeAll(async () => {
  bytes = await writeFileOfTables(path);
});
afterAll(() => rmSync(dir, { recursive: true }));
// A request of one test could otherwise reach the server during the next.
beforeEach(async () => {
  server = await FaultyServer.start({ '/tables.safetensors': bytes });
  elsewhere = await FaultyServer.start({ '/signed': bytes });
  url = `${server.url}/tables.safetensors`;
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await elsewhere[Symbol.asyncDispose]();
});

test.for(['f32', 'f16', 'int8', 'int4'] as const)('tables as %s equal those of the file', async (dtype) => {
  for (const threads of [1, 3]) expect(await loaded(url, dtype, threads)).toEqual(await loaded(path, dtype));
});

test('each tensor is read once, in ranges of bounded size, after the header', async () => {
  const own = await loaded(url);
  expect(own).toEqual(await loaded(path));
  await using file = await SafetensorsFile.open(path);
  const { F32, BF16, ids } = Object.fromEntries(file.tensors);
  const sizes = [F32, F32, BF16, ids].map(({ begin, end }) => end - begin);
  const header = bytes.length - Math.max(...[...file.tensors.values()].map(({ end }) => end));
  const rows = sizes.reduce((sum, size) => sum + size, 0);
  // The first bytes are 32, of which 8 are the size of the header.
  expect(server.bytes).toBe(header + rows + 24);
  for (const { range, bytes: size } of server.asked) {
    expect(range).toMatch(/^bytes=\d+-\d+$/);
    expect(size).toBeLessThanOrEqual(smallLimits.tableRequestBytesMax);
  }
});

test('a number of requests is under way at a time, which has a limit', async () => {
  await using file = await SafetensorsFile.open(url);
  let [running, most] = [0, 0];
  const full = Promise.withResolvers<void>();
  server.onRequest = async () => {
    most = Math.max(most, ++running);
    if (running === tableRequestsMax) full.resolve();
    await full.promise;
    // One more request could come now.
    await setTimeout(50);
    running--;
  };
  await Promise.all(['F32', 'BF16', 'ids', 'F32'].map((name) => file.read(name)));
  expect(server.asked.length).toBeGreaterThan(tableRequestsMax);
  expect(most).toBe(tableRequestsMax);
});

describe('a checkpoint in several files', () => {
  const index = { weight_map: { F32: 'part one.safetensors', BF16: 'sub/two#.safetensors' } };
  const list = [
    { name: 'F32', rows: 700, dim: 12, mode: 'sum', tensor: 'F32' },
    { name: 'BF16', rows: 700, dim: 12, mode: 'sum', tensor: 'BF16' },
  ] as const;

  test('is read through its index, whose query goes with every request', async () => {
    server.files.set('/m/model.safetensors.index.json', new TextEncoder().encode(JSON.stringify(index)));
    server.files.set('/m/part%20one.safetensors', bytes);
    server.files.set('/m/sub/two%23.safetensors', bytes);
    const source = { file: `${server.url}/m/model.safetensors.index.json?sig=secret`, list };
    expect(await loaded(source)).toEqual(await loaded({ file: path, list }));
    for (const asked of server.asked) expect(asked.path).toContain('?sig=secret');
    server.files.delete('/m/sub/two%23.safetensors');
    const error = await refused(() => openTables(source));
    expect(error).toMatchObject({ code: 'INVALID_FILE', value: `${server.url}/m/sub/two%23.safetensors` });
    expect(error.message).toMatch(/HTTP 404\. Check the URL/);
    expect(error.message).not.toContain('secret');
  });

  test('is refused if its index is at another address than its files say, too long, or not there', async () => {
    server.files.set('/out.json', new TextEncoder().encode('{"weight_map":{"a":"../x.safetensors"}}'));
    expect(await refused(() => openTables(`${server.url}/out.json`))).toMatchObject({
      code: 'INVALID_FILE',
      field: 'weight_map.a',
    });
    expect(await refused(() => openTables(`${server.url}/no.json`))).toMatchObject({ code: 'INVALID_FILE' });
  });
});

describe('redirects', () => {
  const signed = (): string => `${elsewhere.url}/signed?signature=secret`;
  const redirect = (): Fault => ({ kind: 'redirect', to: signed() });

  test('are followed once, and the token stays at the first origin', async () => {
    server.faultOf = redirect;
    expect(await loaded({ file: url, token: 'mine' })).toEqual(await loaded(path));
    expect(server.asked.map(({ authorization }) => authorization)).toEqual(['Bearer mine']);
    expect(elsewhere.asked.length).toBeGreaterThan(5);
    for (const { authorization } of elsewhere.asked) expect(authorization).toBeUndefined();
  });

  test('to a URL that expires are asked for again', async () => {
    server.faultOf = redirect;
    // Once: what is refused again at its new URL is refused for good.
    elsewhere.faultOf = (n) => (n === 1 ? { kind: 'status', status: 403 } : undefined);
    expect(await loaded(url)).toEqual(await loaded(path));
    expect(server.asked.length).toBeGreaterThan(1);
  });

  test('without an end, to another protocol, and to what is no URL are refused', async () => {
    server.faultOf = () => ({ kind: 'redirect', to: url });
    expect((await refused(() => openTables(url))).message).toContain(`more than ${tableRedirectsMax} times`);
    expect(server.asked.length).toBe(tableRedirectsMax + 1);
    for (const to of ['file:///etc/passwd', 'http://'])
      expect(
        await refused(() => {
          server.faultOf = () => ({ kind: 'redirect', to });
          return openTables(url);
        }),
      ).toMatchObject({ code: 'INVALID_FILE' });
  });
});

describe('a server is refused at the first request', () => {
  const faults: readonly (readonly [Fault, string, RegExp])[] = [
    [
      { kind: 'whole' },
      'INVALID_FILE',
      /HTTP 200 instead of 206\)\. Use a server that answers range requests/,
    ],
    [{ kind: 'wrong range' }, 'INVALID_FILE', /sends bytes 1 to 33/],
    [{ kind: 'no length' }, 'INVALID_FILE', /does not say how long/],
    [{ kind: 'compressed' }, 'INVALID_FILE', /compressed \(gzip\)/],
    [{ kind: 'long' }, 'INVALID_FILE', /more bytes than were asked for/],
    [{ kind: 'no version' }, 'INVALID_FILE', /neither an ETag nor a Last-Modified/],
    [
      { kind: 'status', status: 401 },
      'UNAUTHORIZED',
      /HTTP 401\. Give a valid token \(--tables-token-file\)/,
    ],
    [{ kind: 'status', status: 403 }, 'UNAUTHORIZED', /signed URL that has not expired/],
    [{ kind: 'status', status: 404 }, 'INVALID_FILE', /HTTP 404\. Check the URL/],
    [{ kind: 'status', status: 405 }, 'INVALID_FILE', /HTTP 405/],
    [{ kind: 'status', status: 416 }, 'INVALID_FILE', /the file is empty/],
  ];
  test.for(faults)('with the fault $0', async ([fault, code, words]) => {
    server.faultOf = () => fault;
    const error = await refused(() => openTables(`${url}?token=secret`));
    expect(error).toMatchObject({ code, field: 'path', value: url });
    expect(error.message).toMatch(words);
    expect(error.message).toContain(url);
    expect(error.message).not.toContain('secret');
    expect(server.asked.length).toBe(1);
  });
});

describe('a load that has begun', () => {
  const opened = 2;

  test.for([
    [{ kind: 'changed' }, /has changed since it was opened/],
    [{ kind: 'other length' }, /has changed since it was opened/],
    [{ kind: 'whole' }, /whole file/],
    [{ kind: 'wrong range' }, /sends bytes/],
    [{ kind: 'status', status: 412 }, /has changed/],
    [{ kind: 'status', status: 416 }, /has changed/],
  ] as readonly (readonly [Fault, RegExp])[])(
    'ends with the fault $0, and names the tensor',
    async ([fault, words]) => {
      server.faultOf = (n) => (n === opened + 1 ? fault : undefined);
      const error = await refused(() => openTables(url, { slotBytes: 2 ** 18 }));
      expect(error).toMatchObject({ code: 'INVALID_FILE', field: 'F32', value: url });
      expect(error.message).toMatch(words);
      expect(error.message).toMatch(/bytes \d+ to \d+ of "F32" from http:/);
    },
  );

  test('ends if the time of the last change is another, where there is no strong ETag', async () => {
    const first = { etag: 'W/"1"', 'last-modified': 'Mon, 30 Nov 2026 07:00:00 GMT' };
    server.version = first;
    expect(await loaded(url)).toEqual(await loaded(path));
    for (const change of [{ etag: 'W/"2"' }, { 'last-modified': 'Mon, 30 Nov 2026 07:00:01 GMT' }]) {
      server.version = first;
      await using file = await SafetensorsFile.open(url);
      server.version = { ...first, ...change };
      expect((await refused(() => file.read('F32'))).message).toMatch(/has changed/);
    }
  });

  test('goes on from the byte where it broke', async () => {
    await using file = await SafetensorsFile.open(url);
    server.forget();
    server.faultOf = (n) => (n === 0 ? { kind: 'break', after: 1000 } : undefined);
    const target = new Uint8Array(4000);
    await file.readInto('F32', 0, target);
    await using local = await SafetensorsFile.open(path);
    expect(target).toEqual(new Uint8Array((await local.read('F32', 'F32')).buffer, 0, 4000));
    const [first, second] = server.asked.map(
      ({ range }) =>
        /bytes=(\d+)-(\d+)/
          .exec(range ?? '')
          ?.slice(1)
          .map(Number) ?? [],
    );
    expect(second[0]).toBeGreaterThan(first[0]);
    expect(second[0]).toBeLessThanOrEqual(first[0] + 1000);
    expect(second[1]).toBe(first[1]);
  });

  test('is given up after a number of failures in a row', async () => {
    await using file = await SafetensorsFile.open(url);
    for (const fault of [
      { kind: 'break', after: 0 },
      { kind: 'stall', after: 10 },
      { kind: 'status', status: 503, headers: { 'retry-after': '3600' } },
    ] as const) {
      server.forget();
      server.faultOf = () => fault;
      const error = await refused(() => file.readInto('F32', 0, new Uint8Array(4000)));
      expect(error).toMatchObject({ code: 'UNAVAILABLE', field: 'F32', value: url });
      expect(error.message).toContain(`(${tableAttemptsMax} attempts)`);
      expect(server.asked.length).toBe(tableAttemptsMax);
    }
  });

  test('goes on as long as each request brings many bytes', async () => {
    await using file = await SafetensorsFile.open(url);
    server.forget();
    // More breaks than failures are allowed in a row.
    const after = smallLimits.tableResumeBytesMin + 100;
    server.faultOf = (n) => (n % 2 === 0 ? { kind: 'short', after } : undefined);
    const lengths = Array.from({ length: 2 * tableAttemptsMax }, () => 4000);
    for (const length of lengths) await file.readInto('F32', 0, new Uint8Array(length));
    expect(server.happened.length).toBe(lengths.length);
  });

  test('ends when the file is closed', async () => {
    const file = await SafetensorsFile.open(url);
    server.faultOf = () => ({ kind: 'stall', after: 10 });
    const reading = refused(() => file.read('F32'));
    await expect.poll(() => server.happened.length).toBeGreaterThan(0);
    await file.close();
    expect(await reading).toMatchObject({ code: 'RELEASED' });
    expect(await refused(() => file.read('F32'))).toMatchObject({ code: 'RELEASED' });
  });
});

test('a server that cannot be reached', async () => {
  const gone = await FaultyServer.start();
  const { url: closed } = gone;
  await gone[Symbol.asyncDispose]();
  const error = await refused(() => openTables(`${closed}/t.safetensors`));
  expect(error).toMatchObject({ code: 'UNAVAILABLE', value: `${closed}/t.safetensors` });
  expect(error.message).toMatch(/ECONNREFUSED.*\(6 attempts\)\. Check the server/);
});

test('tokens and URLs are checked before anything is sent', async () => {
  const wrong = [
    { file: path, token: 'mine' },
    { file: url, token: 'two words' },
    { file: url, token: 'line\r\nx-header: 1' },
    { file: url.replace('//', '//name:password@') },
    { file: 'http://' },
  ];
  for (const source of wrong) {
    const error = await refused(() => openTables(source));
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(error.message).not.toMatch(/password@|two words|x-header/);
  }
  expect(server.asked).toEqual([]);
});

test('other kinds of files are named', async () => {
  server.files.set('/page', new TextEncoder().encode('<!DOCTYPE html><p>Sign in to read this file'));
  server.files.set('/short', new TextEncoder().encode('{}'));
  expect((await refused(() => openTables(`${server.url}/page`))).message).toMatch(
    /is a web page, not a safetensors/,
  );
  expect((await refused(() => openTables(`${server.url}/short`))).message).toMatch(
    /is JSON, not a safetensors/,
  );
});
