// Who may read and change a cluster in NATS.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { NatsCredentials } from '../../src/nats/credentials.ts';
import { NatsCluster } from '../../src/nats/nats-cluster.ts';
import { certificates } from '../60.transport/certificates.ts';
import { release, versionOf } from '../78.nats/store-case.ts';
import { done, refused as refusedCommand, tablesFile } from '../80.cli/command.ts';
import { refused } from '../refusal.ts';
import { credentials } from './jwt.ts';
import { NatsServer } from './nats-server.ts';

/** Writes and reads a cluster. */
async function used(where: string, given?: NatsCredentials): Promise<void> {
  const store = await NatsCluster.open(where, given);
  await store.replace({ serving: release(1) }, undefined);
  expect(versionOf((await store.read()).cluster.serving.routing)).toBe(1);
  await store.close();
}

/** Neither may connect nor say its password. */
async function strange(where: string, given?: NatsCredentials): Promise<void> {
  const error = await refused(() => NatsCluster.open(where, given));
  expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('--nats-creds') });
  expect(`${error.message} ${error.value} ${JSON.stringify(error)}`).not.toContain('wr0ng');
}

test('a user with a password', async () => {
  await using server = await NatsServer.start({
    config: 'authorization { users: [{ user: me, password: "p@ss:word" }] }',
  });
  await used(server.at('b', 'me:p%40ss:word'));
  await strange(server.at('b', 'me:wr0ng'));
  await strange(server.at('b', 'wr0ng'));
  await strange(server.at('b'));
});

test('a token', async () => {
  await using server = await NatsServer.start({ config: 'authorization { token: "t0ken" }' });
  await used(server.at('b', 't0ken'));
  await strange(server.at('b', 'wr0ng'));
});

test('a file of credentials', async () => {
  const { config, creds } = credentials();
  await using server = await NatsServer.start({ config });
  await used(server.at('b'), { creds });
  await strange(server.at('b'), { creds: credentials().creds });
  await strange(server.at('b'));
  const file = join(server.folder, 'user.creds');
  await writeFile(file, creds);
  expect(
    done('plan', '--tables', tablesFile, '--nodes', '1', '--publish', server.at('c'), '--nats-creds', file),
  ).toMatchObject({ published: { to: server.at('c'), revision: expect.stringMatching(/^1@/) } });
  await writeFile(file, 'nothing');
  const status = ['status', '--routing', server.at('b'), '--nats-creds', file];
  refusedCommand(status, 1, /INVALID_OPTION: nats\.creds: expected the text of a file of credentials/);
});

const tls = (folder: string, more = ''): string =>
  `tls { cert_file: "${folder}/node.crt", key_file: "${folder}/node.key", ca_file: "${folder}/authority.crt" ${more} }`;
const folder = join(import.meta.dirname, '../60.transport/certificates');

test('TLS', async () => {
  await using server = await NatsServer.start({ config: tls(folder), scheme: 'tls' });
  await used(server.at('b'), { ca: certificates.ca });
  for (const given of [{}, { ca: certificates.stranger }])
    expect(await refused(() => NatsCluster.open(server.at('b'), given))).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/certificate|self.signed/i),
    });
});

test('TLS with certificates of clients', async () => {
  await using server = await NatsServer.start({ config: tls(folder, ', verify: true'), scheme: 'tls' });
  await used(server.at('b'), { ca: certificates.ca, ...certificates.ranker });
  expect(await refused(() => NatsCluster.open(server.at('b'), { ca: certificates.ca }))).toMatchObject({
    code: 'UNAVAILABLE',
  });
});

test('a server without TLS is refused where TLS is asked for', async () => {
  await using server = await NatsServer.start({ scheme: 'tls' });
  const error = await refused(() => NatsCluster.open(server.at('b'), { ca: certificates.ca }));
  expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('tls') });
});

/** What docs/operating.md lists for rankers. */
const reader = `publish: [
  "$JS.API.STREAM.MSG.GET.KV_b", "$JS.API.STREAM.INFO.KV_b",
  "$JS.API.STREAM.INFO.KV_b-leases", "$KV.b-leases.>"
]`;

test('a reader sees changes and cannot make any, and one that may not listen sees them, too', async () => {
  const users = `
    { user: admin, password: a },
    { user: reader, password: r, permissions: { ${reader}, subscribe: ["_INBOX.>", "$KV.b.cluster"] } },
    { user: deaf, password: d, permissions: { ${reader}, subscribe: ["_INBOX.>"] } }`;
  await using server = await NatsServer.start({ config: `authorization { users: [${users}] }` });
  const admin = await NatsCluster.open(server.at('b', 'admin:a'));
  let revision = await admin.replace({ serving: release(1) }, undefined);
  const lease = admin.leases.holdRanker(
    () => undefined,
    (error) => expect.fail(error.message),
  );
  const names = ['reader:r', 'deaf:d'];
  const readers = await Promise.all(names.map((login) => NatsCluster.open(server.at('b', login))));
  const seen: number[][] = [[], []];
  const errors: Error[][] = [[], []];
  for (const [i, store] of readers.entries()) {
    expect((await store.read()).revision).toBe(revision);
    const error = await refused(() => store.replace({ serving: release(9) }, revision));
    expect(error.code).toBe('UNAUTHORIZED');
    store.watch(
      ({ serving }) => seen[i].push(versionOf(serving.routing)),
      (error) => errors[i].push(error),
    );
  }
  revision = await admin.replace({ serving: release(2) }, revision);
  await expect.poll(() => seen).toEqual([[2], [2]]);
  revision = await admin.replace({ serving: release(3) }, revision);
  await expect
    .poll(() => seen)
    .toEqual([
      [2, 3],
      [2, 3],
    ]);
  expect(errors[0]).toEqual([]);
  expect(errors[1]).toMatchObject([{ code: 'UNAUTHORIZED' }]);
  const own = readers[0].leases.holdRanker(
    () => ({ plan: 'a'.repeat(16), since: '', version: '', host: '' }),
    (error) => expect.fail(error.message),
  );
  await expect.poll(() => admin.rankers()).toMatchObject([{ plan: 'a'.repeat(16) }]);
  await own.close();
  await lease.close();
  await Promise.all([admin, ...readers].map((store) => store.close()));
});

test('the command line says that the login is wrong, and not which it was', async () => {
  await using server = await NatsServer.start({ config: 'authorization { user: me, password: right }' });
  refusedCommand(
    ['status', '--routing', server.at('b', 'me:wr0ng')],
    1,
    /^flexemr: UNAUTHORIZED: nats:\/\/127(?!.*wr0ng)/,
  );
});
