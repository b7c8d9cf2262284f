// A watch of a cluster in NATS, while its server is killed, does not answer, or loses everything.
import { expect, test } from 'vitest';
import { NatsCluster } from '../../src/nats/nats-cluster.ts';
import type { Cluster } from '../../src/plan/cluster.ts';
import { release, versionOf } from '../78.nats/store-case.ts';
import { refused } from '../refusal.ts';
import { LateAnswers } from './late-answers.ts';
import { NatsServer } from './nats-server.ts';
import { RawNats } from './raw-nats.ts';

/** A client that changes a cluster, and others that watch it. */
class Watched implements AsyncDisposable {
  readonly writer: NatsCluster;
  readonly readers: readonly NatsCluster[];
  readonly seen: number[][];
  readonly errors: Error[][];
  revision: string | undefined;

  static async open(server: NatsServer, watches = 3): Promise<Watched> {
    const stores = Array.from({ length: watches + 1 }, () => NatsCluster.open(server.at('b')));
    const [writer, ...readers] = await Promise.all(stores);
    const watched = new Watched(writer, readers);
    await watched.write(1);
    for (const [i, reader] of readers.entries()) {
      await reader.read();
      reader.watch(
        ({ serving }: Cluster) => watched.seen[i].push(versionOf(serving.routing)),
        (error) => watched.errors[i].push(error),
      );
    }
    return watched;
  }

  private constructor(writer: NatsCluster, readers: readonly NatsCluster[]) {
    this.writer = writer;
    this.readers = readers;
    this.seen = readers.map(() => []);
    this.errors = readers.map(() => []);
  }

  async write(version: number): Promise<void> {
    this.revision = await this.writer.replace({ serving: release(version) }, this.revision);
  }

  /** Everybody has seen exactly these, in this order. */
  async sees(...versions: number[]): Promise<void> {
    await expect.poll(() => this.seen).toEqual(this.readers.map(() => versions));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.writer, ...this.readers].map((store) => store.close()));
  }
}

test('changes are seen, again and again, while the server is killed and started', async () => {
  await using server = await NatsServer.start();
  await using watched = await Watched.open(server);
  await watched.write(2);
  await watched.sees(2);
  for (const version of [3, 4, 5]) {
    await server.kill();
    await server.start();
    await watched.write(version);
    await watched.sees(...Array.from({ length: version - 1 }, (_, i) => i + 2));
  }
  // Watches leave nothing behind at the server.
  const raw = await RawNats.open(server);
  expect(await raw.consumers('b')).toBe(0);
  await raw.close();
});

test('a change that was written while a watch was away is seen when it is back', async () => {
  await using server = await NatsServer.start();
  await using watched = await Watched.open(server);
  await server.kill();
  // The watches are away: they are told of the change neither now nor later.
  await expect.poll(() => watched.errors.every((errors) => errors.length === 1)).toBe(true);
  await server.start();
  const other = await NatsCluster.open(server.at('b'));
  await other.replace({ serving: release(2) }, (await other.read()).revision);
  await watched.sees(2);
  await other.close();
});

test('a server that does not answer is told once; reads fail in time, and all goes on when it answers', async () => {
  await using server = await NatsServer.start();
  await using watched = await Watched.open(server);
  await server.pause();
  const [first, second] = await Promise.all([
    refused(() => watched.readers[0].read()),
    refused(() => watched.writer.replace({ serving: release(9) }, watched.revision)),
  ]);
  expect(first).toMatchObject({ code: 'UNAVAILABLE' });
  expect(second).toMatchObject({ code: 'UNAVAILABLE' });
  await expect.poll(() => watched.errors.every((errors) => errors.length > 0)).toBe(true);
  server.signal('SIGCONT');
  for (const errors of watched.errors) {
    expect(errors[0]).toMatchObject({ code: 'UNAVAILABLE' });
    // "Does not answer" and "the connection is lost" may both be told.
    expect(new Set(errors.map(({ message }) => message)).size).toBe(errors.length);
  }
  // Nobody knows whether the change that timed out was written. Who changes something reads first.
  const { revision, cluster } = await watched.writer.read();
  expect([1, 9]).toContain(versionOf(cluster.serving.routing));
  await watched.writer.replace({ serving: release(10) }, revision);
  await expect.poll(() => watched.seen.every((seen) => seen.at(-1) === 10)).toBe(true);
});

test('a change that is sent several times, because its answer is late, is written once', async () => {
  await using server = await NatsServer.start();
  let sent = 0;
  await using way = await LateAnswers.open(server, (said, late) => {
    if (!said.includes('PUB $KV.b.cluster')) return;
    sent++;
    if (sent === 2) late.keep();
    if (sent === 3) late.release();
  });
  const [store, raw] = await Promise.all([NatsCluster.open(way.at('b')), RawNats.open(server)]);
  const first = await store.replace({ serving: release(1) }, undefined);
  const second = await store.replace({ serving: release(2) }, first);
  expect(sent).toBe(3);
  expect(second).toMatch(/^2@/);
  expect(await store.read()).toMatchObject({ revision: second });
  expect((await raw.info('b')).state.last_seq).toBe(2);
  await Promise.all([store.close(), raw.close()]);
});

test('a disk that was replaced by an empty one is noticed, and the routing in use stays', async () => {
  await using server = await NatsServer.start();
  await using watched = await Watched.open(server);
  await watched.write(2);
  await watched.sees(2);
  await server.kill();
  await server.wipe();
  await server.start();
  const gone = (error: Error): boolean => error.message.includes('there is no cluster');
  await expect.poll(() => watched.errors.every((errors) => errors.some(gone))).toBe(true);
  expect((await refused(() => watched.writer.read())).message).toContain('there is no cluster');
  const stale = await refused(() => watched.writer.replace({ serving: release(3) }, watched.revision));
  expect(stale).toMatchObject({ code: 'CONFLICT' });
  await watched.sees(2);
  watched.revision = undefined;
  await watched.write(3);
  await watched.sees(2, 3);
  for (const errors of watched.errors) expect(errors.filter(gone)).toHaveLength(1);
});

test('a watch that has ended tells nothing', async () => {
  await using server = await NatsServer.start();
  await using watched = await Watched.open(server, 1);
  const seen: Cluster[] = [];
  const [reader] = watched.readers;
  const end = reader.watch(
    (cluster) => seen.push(cluster),
    (error) => expect.fail(error.message),
  );
  end();
  end();
  await watched.write(2);
  await watched.sees(2);
  expect(seen).toEqual([]);
});
