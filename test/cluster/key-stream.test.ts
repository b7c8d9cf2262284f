// Which keys are updated, as rankers hear it from NATS: everything, in order, or it is not said to be current.
import { cp, rm } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeyStream } from '../../src/nats/key-stream.ts';
import { UpdateStream } from '../../src/nats/update-stream.ts';
import { batchRowsMax } from '../../src/update-limits.ts';
import type { BatchKeys } from '../../src/updates/batch.ts';
import type { UpdateLog } from '../../src/updates/update-log.ts';
import type { KeysListener, KeysOfBatch } from '../../src/updates/updated-keys.ts';
import { Updater } from '../../src/updates/updater.ts';
import { hasher, patience, routing, row, writeAll, writers } from '../32.updates/update-case.ts';
import { runs } from '../runs.ts';
import { NatsServer, startThree } from './nats-server.ts';

let three: NatsServer[];
let buckets = 0;
beforeAll(async () => {
  three = await startThree();
});
afterAll(async () => {
  await Promise.all(three.map((server) => server[Symbol.asyncDispose]()));
});

/** Notes what it hears since it began last. */
class Ear implements KeysListener {
  incarnations: number[] = [];
  lost: boolean[] = [];
  batches: KeysOfBatch[] = [];
  currentAt = Number.NEGATIVE_INFINITY;
  readonly errors: Error[] = [];

  onBegin(incarnation: number, lost: boolean): void {
    this.incarnations.push(incarnation);
    this.lost.push(lost);
    this.batches = [];
    this.currentAt = Number.NEGATIVE_INFINITY;
  }

  onBatch(batch: KeysOfBatch): void {
    this.batches.push(batch);
  }

  onCurrent(at: number): void {
    this.currentAt = at;
  }

  onAway(error: Error): void {
    this.errors.push(error);
  }

  /** It has heard everything up to now. */
  async current(): Promise<void> {
    const now = performance.now();
    await expect.poll(() => this.currentAt, { interval: 20 }).toBeGreaterThan(now);
  }

  chain(name: string): string[] {
    return this.batches.filter(({ chain }) => chain === name).map(keysIn);
  }
}

const keysIn = ({ keys, deletes }: Pick<BatchKeys, 'keys' | 'deletes'>): string => `${keys}-${deletes}`;

async function listening(where: string): Promise<AsyncDisposable & { readonly ear: Ear }> {
  const stream = await KeyStream.open(where);
  const ear = new Ear();
  stream.listen(ear);
  return { ear, [Symbol.asyncDispose]: () => stream.close() };
}

async function writtenTo(log: UpdateLog, chain: string): Promise<string[]> {
  const written: string[] = [];
  for (let found = await log.next(chain, 0); found !== undefined; ) {
    written.push(keysIn(found.batch));
    found = await log.next(chain, found.sequence);
  }
  return written;
}

test.for([1, 3])(
  'of %i servers: a listener hears every batch; one that came later, all since the last of its chain',
  async (count) => {
    await using alone = count === 1 ? await NatsServer.start() : undefined;
    const servers = alone === undefined ? three : [alone];
    await fc.assert(
      fc.asyncProperty(writers, async (all) => {
        const bucket = `k${++buckets}`;
        const logs = await Promise.all(
          all.map((_, i) => UpdateStream.open(servers[i % count].at(bucket), {}, { create: true })),
        );
        await using first = await listening(servers[0].at(bucket));
        await first.ear.current();
        const writing = writeAll(
          logs.map((log) => new Updater(log, hasher)),
          all,
        );
        await using later = await listening(servers[count - 1].at(bucket));
        await writing;
        await first.ear.current();
        await later.ear.current();
        const chains = new Set(first.ear.batches.map(({ chain }) => chain));
        for (const chain of chains) {
          const written = await writtenTo(logs[0], chain);
          expect(first.ear.chain(chain)).toEqual(written);
          const heard = later.ear.chain(chain);
          expect(heard.length).toBeGreaterThan(0);
          expect(heard).toEqual(written.slice(-heard.length));
        }
        expect(new Set(later.ear.batches.map(({ chain }) => chain))).toEqual(chains);
        await Promise.all(logs.map((log) => log.close()));
      }),
      { numRuns: runs.updateRounds },
    );
  },
);

test('after a restart, and after its disk was lost, it begins anew; the largest batch of keys is heard, too', async () => {
  await using server = await NatsServer.start();
  const where = server.at('b');
  const open = (): Promise<UpdateStream> => UpdateStream.open(where, {}, { create: true });
  let log = await open();
  let updater = new Updater(log, hasher);
  await using heard = await listening(where);
  const { ear } = heard;
  await ear.current();
  await updater.write(routing, { rows: { keys: [1], rows: row(1) } }, patience);
  await ear.current();
  expect(ear.batches.map(keysIn)).toEqual(['1-']);
  await server.kill();
  await server.start();
  await expect.poll(() => ear.incarnations.length).toBe(2);
  await ear.current();
  expect(ear.batches.map(keysIn)).toEqual(['1-']);
  expect(new Set(ear.incarnations).size).toBe(1);
  await log.close();
  await server.kill();
  await server.wipe();
  await server.start();
  log = await open();
  await expect.poll(() => new Set(ear.incarnations).size).toBe(2);
  await ear.current();
  expect(ear.batches).toEqual([]);
  updater = new Updater(log, hasher);
  const ids = BigUint64Array.from({ length: batchRowsMax * 4 }, (_, i) => BigInt(i + 1) << 40n);
  const rows = new Float32Array(ids.length * 3);
  await updater.write(routing, { ids: { keys: ids, rows } }, patience);
  await ear.current();
  expect(ear.batches.some(({ keys }) => keys.length === batchRowsMax)).toBe(true);
  expect(ear.batches.flatMap(({ keys }) => [...keys]).toSorted()).toEqual([...ids].toSorted());
  await log.close();
});

test('a server that comes back with an older disk has lost what was heard, also if its numbers were used again', async () => {
  await using server = await NatsServer.start();
  const log = await UpdateStream.open(server.at('b'), {}, { create: true });
  const write = (value: number): Promise<unknown> =>
    new Updater(log, hasher).write(routing, { rows: { keys: [1], rows: row(value) } }, patience);
  await using heard = await listening(server.at('b'));
  const { ear } = heard;
  await write(1);
  await ear.current();
  await server.kill();
  const copy = `${server.folder}-copy`;
  await cp(server.folder, copy, { recursive: true });
  await server.start();
  await write(2);
  await ear.current();
  await server.kill();
  await rm(server.folder, { recursive: true });
  await cp(copy, server.folder, { recursive: true });
  await rm(copy, { recursive: true });
  const written = write(3).then(() => write(4));
  await server.start();
  await written;
  await expect.poll(() => ear.lost).toEqual([false, false, true]);
  await ear.current();
  expect(new Set(ear.incarnations).size).toBe(1);
  await log.close();
});

/** What docs/operating.md lists for rankers whose cache follows updates. */
const ranker = `publish: [
  "$JS.API.STREAM.INFO.b-updates", "$JS.API.STREAM.MSG.GET.b-updates", "$JS.API.DIRECT.GET.b-updates.>",
  "$JS.API.CONSUMER.CREATE.b-updates.>", "$JS.API.CONSUMER.MSG.NEXT.b-updates.>", "$JS.API.CONSUMER.DELETE.b-updates.>"
], subscribe: ["_INBOX.>"]`;

test('it needs the documented permissions, and says so without them', async () => {
  const users = `
    { user: admin, password: a }, { user: ranker, password: r, permissions: { ${ranker} } },
    { user: other, password: o, permissions: { publish: ["none"], subscribe: ["_INBOX.>"] } }`;
  await using server = await NatsServer.start({ config: `authorization { users: [${users}] }` });
  const log = await UpdateStream.open(server.at('b', 'admin:a'), {}, { create: true });
  await new Updater(log, hasher).write(routing, { rows: { keys: [1], rows: row(1) } }, patience);
  await using allowed = await listening(server.at('b', 'ranker:r'));
  await using refused = await listening(server.at('b', 'other:o'));
  await allowed.ear.current();
  expect(allowed.ear.batches.map(keysIn)).toEqual(['1-']);
  expect(allowed.ear.errors).toEqual([]);
  await expect.poll(() => refused.ear.errors).toMatchObject([{ code: 'UNAUTHORIZED' }]);
  await log.close();
});
