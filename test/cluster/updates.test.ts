// Row updates in NATS: what was acknowledged is what followers have, whatever happens to the servers.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseNatsAddress } from '../../src/nats/address.ts';
import { Connection } from '../../src/nats/connection.ts';
import { ensureUpdateStream, UpdateStream } from '../../src/nats/update-stream.ts';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { endOf } from '../../src/updates/chain-end.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { AddedBatch } from '../../src/updates/update-log.ts';
import { Updater } from '../../src/updates/updater.ts';
import { hasher, patience, replayed, routing, row, writeAll, writers } from '../32.updates/update-case.ts';
import { refused } from '../refusal.ts';
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

test.for([1, 3])(
  'of %i servers: all that was acknowledged is in the chains once, whoever writes',
  async (count) => {
    await using alone = count === 1 ? await NatsServer.start() : undefined;
    const servers = alone === undefined ? three : [alone];
    await fc.assert(
      fc.asyncProperty(writers, async (all) => {
        const bucket = `p${++buckets}`;
        const logs = await Promise.all(
          all.map((_, i) => UpdateStream.open(servers[i % count].at(bucket), {}, { create: true })),
        );
        const heard: [string, AddedBatch][] = [];
        const names = numberedShards(routing).map(chainName);
        for (const chain of names) logs[0].listen(chain, (added) => added && heard.push([chain, added]));
        const wanted = await writeAll(
          logs.map((log) => new Updater(log, hasher)),
          all,
        );
        expect(await replayed(logs[0])).toEqual(wanted);
        // What is heard is what a reader finds who has read up to the sequence before.
        if (count === 1 && wanted.size > 0) expect(heard).not.toEqual([]);
        for (const [chain, { before, ...added }] of heard)
          expect(added).toEqual(await logs[0].next(chain, before));
        await Promise.all(logs.map((log) => log.close()));
      }),
      { numRuns: runs.updateRounds },
    );
  },
);

test('a server that is killed loses nothing; one with another disk says so', async () => {
  await using server = await NatsServer.start();
  const log = await UpdateStream.open(server.at('b'), {}, { create: true });
  const [planned] = numberedShards(routing);
  const heard: (AddedBatch | undefined)[] = [];
  log.listen(chainName(planned), (added) => heard.push(added));
  const updater = new Updater(log, hasher);
  const write = (value: number): Promise<unknown> =>
    updater.write(routing, { rows: { keys: [1], rows: row(value) } }, patience);
  const before = await log.incarnation();
  await write(1);
  await expect.poll(() => heard.length).toBe(1);
  await server.kill();
  const later = write(2);
  await server.start();
  await later;
  expect(await replayed(log)).toEqual(new Map([['rows 1', row(2)]]));
  expect(await log.incarnation()).toBe(before);
  // It may have missed something while it was away.
  await expect.poll(() => heard.length).toBeGreaterThanOrEqual(2);
  expect(heard).toContain(undefined);
  await server.kill();
  await server.wipe();
  await server.start();
  await using again = {
    log: await UpdateStream.open(server.at('b'), {}, { create: true }),
    async [Symbol.asyncDispose]() {
      await this.log.close();
    },
  };
  expect(await again.log.incarnation()).not.toBe(before);
  await expect(write(3)).rejects.toMatchObject({ code: 'UPDATES_LOST' });
  await write(3);
  expect(await replayed(again.log)).toEqual(new Map([['rows 1', row(3)]]));
  await log.close();
});

test('a stream that is full takes nothing more, and forgets nothing by itself; room is made by who deletes what is old', async () => {
  await using server = await NatsServer.start();
  const address = parseNatsAddress(server.at('full'));
  const connection = await Connection.open(address, {});
  await ensureUpdateStream(connection, address);
  const { manager } = await connection.jetStream();
  const name = 'full-updates';
  const { config } = await manager.streams.info(name);
  await manager.streams.update(name, { ...config, max_bytes: 20_000 });
  const log = await UpdateStream.open(server.at('full'));
  const updater = new Updater(log, hasher);
  let written = 0;
  const write = async (): Promise<void> => {
    await updater.write(routing, { rows: { keys: [1], rows: row(written + 1) } }, patience);
    written++;
  };
  const fill = async (): Promise<never> => {
    for (;;) await write();
  };
  expect(await refused(fill)).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    message: expect.stringMatching(/full.*snapshot --use --forget/),
  });
  const all = new Map([['rows 1', row(written)]]);
  expect(await replayed(log)).toEqual(all);
  const [planned] = numberedShards(routing);
  const chain = chainName(planned);
  const last = await log.last(chain);
  await log.forget(chain, last?.sequence ?? 0);
  const end = await endOf(log, chain, await log.incarnation());
  expect(end?.position.number).toBe(BigInt(written));
  await write();
  expect((await endOf(log, chain, await log.incarnation()))?.position.number).toBe(BigInt(written));
  await log.close();
  await connection.close();
});

/** What docs/operating.md lists for nodes whose tables take updates, if the stream is there. */
const node = `publish: [
  "$JS.API.STREAM.INFO.b-updates", "$JS.API.STREAM.MSG.GET.b-updates", "$JS.API.DIRECT.GET.b-updates"
], subscribe: ["_INBOX.>", "b-added.*"]`;

test('who follows a chain needs the documented permissions', async () => {
  const users = `{ user: admin, password: a }, { user: node, password: n, permissions: { ${node} } }`;
  await using server = await NatsServer.start({ config: `authorization { users: [${users}] }` });
  const written = await UpdateStream.open(server.at('b', 'admin:a'), {}, { create: true });
  const followed = await UpdateStream.open(server.at('b', 'node:n'), {}, { create: true });
  const [planned] = numberedShards(routing);
  const chain = chainName(planned);
  const heard: (AddedBatch | undefined)[] = [];
  followed.listen(chain, (added) => heard.push(added));
  expect(await endOf(followed, chain, await followed.incarnation())).toBeUndefined();
  await new Updater(written, hasher).write(routing, { rows: { keys: [1], rows: row(1) } }, patience);
  await expect.poll(() => heard).toMatchObject([{ sequence: 1, before: 0 }]);
  expect(heard).toMatchObject([{ ...(await followed.next(chain, 0)) }]);
  expect(await endOf(followed, chain, await followed.incarnation())).toMatchObject({ sequence: 1 });
  await written.close();
  await followed.close();
});
