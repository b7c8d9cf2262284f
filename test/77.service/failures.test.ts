// A service whose parts are slow or fail answers in time, with the right status, and goes on.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RankHost, type Tables, type VectorOptions, type VectorSource } from '../../src/index.ts';
import { openTables } from '../../src/local/tables.ts';
import { denseFile, tablesFile } from '../80.cli/command.ts';

/** Tables whose lookups wait for a gate. */
class GatedTables implements VectorSource {
  readonly #tables: Tables;
  gate: Promise<void> = Promise.resolve();
  /** Deadlines of the lookups, in ms. */
  readonly deadlines: (number | undefined)[] = [];

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  get specs(): VectorSource['specs'] {
    return this.#tables.specs;
  }

  async lookup(
    bags: Parameters<VectorSource['lookup']>[0],
    { deadline }: VectorOptions = {},
  ): ReturnType<VectorSource['lookup']> {
    this.deadlines.push(deadline);
    await this.gate;
    return await this.#tables.lookup(bags);
  }

  /** Makes lookups wait. @returns a function that lets them go on */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gate = promise;
    return resolve;
  }
}

let tables: Tables;
let source: GatedTables;
let service: RankHost;
let body: string;
beforeAll(async () => {
  tables = await openTables(tablesFile);
  source = new GatedTables(tables);
  service = await RankHost.start({ source, dense: denseFile, name: 'films', queueCandidates: 4 });
  const user = Object.fromEntries(source.specs.map(({ name }) => [name, [0]]));
  body = JSON.stringify({ user, candidates: [{ dense: new Array(10).fill(0) }] });
});
afterAll(async () => {
  await service?.close();
  await tables?.close();
});

async function rank(
  more: object = {},
  signal?: AbortSignal,
): Promise<{ status: number; code: string | undefined }> {
  const headers = { 'content-type': 'application/json' };
  const payload = JSON.stringify({ ...JSON.parse(body), ...more });
  const response = await fetch(`${service.url}/v1/rank`, {
    method: 'POST',
    headers,
    body: payload,
    signal: signal ?? null,
  });
  const answer = (await response.json()) as { error?: { code: string } };
  return { status: response.status, code: answer.error?.code };
}

test('a slow lookup ends at the deadline of its request, which the lookup has too', async () => {
  expect(await rank()).toEqual({ status: 200, code: undefined });
  const release = source.hold();
  expect(await rank({ deadline_ms: 100 })).toEqual({ status: 504, code: 'DEADLINE_EXCEEDED' });
  expect(source.deadlines.at(-1)).toBeLessThanOrEqual(100);
  release();
  expect((await rank()).status).toBe(200);
});

test('a full queue is 429 at once, and a client that has gone leaves its place', async () => {
  const release = source.hold();
  const leaving = new AbortController();
  const waiting = Array.from({ length: 5 }, (_, i) => rank({}, i < 4 ? undefined : leaving.signal));
  const gone = waiting[4].catch((error: Error) => error.name);
  await expect.poll(() => service.scorer.stats.queued).toBe(4);
  expect(await rank()).toEqual({ status: 429, code: 'OVERLOADED' });
  leaving.abort();
  expect(await gone).toBe('AbortError');
  await expect.poll(() => service.scorer.stats.queued).toBe(3);
  const again = rank();
  await expect.poll(() => service.scorer.stats.queued).toBe(4);
  release();
  for (const answer of [...waiting.slice(0, 4), again]) expect((await answer).status).toBe(200);
});

test('closing answers what is in progress, and refuses what waits', async () => {
  const own = await RankHost.start({ source, dense: denseFile });
  const release = source.hold();
  const asked = fetch(`${own.url}/v1/rank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  await expect.poll(() => own.scorer.stats.running).toBe(1);
  const closing = own.close();
  release();
  expect((await asked).status).toBe(200);
  await closing;
  await expect(fetch(`${own.url}/healthz`)).rejects.toThrow();
});
