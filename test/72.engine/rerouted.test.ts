// Engines whose routing table changes.
import { expect, test } from 'vitest';
import type { EngineThreads } from '../../src/engine/engine-control.ts';
import { EngineRanker } from '../../src/engine/engine-ranker.ts';
import { engineThreads } from '../../src/host/engine-threads.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Turnable } from '../70.ranker/turnable.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';

const [{ spec }] = wholeNumbers;
const bags = { [spec.name]: { keys: [1, 2, 3], offsets: [0, 2] } };

test('lookups go on although the owner of a new connection has had none over it', async () => {
  // The same plan, at other addresses, so that every change brings new connections.
  const clusters = await Promise.all(
    Array.from({ length: 8 }, () => Cluster.start({ tables: wholeNumbers, nodes: 1 })),
  );
  await using local = await clusters[0].tables();
  const wanted = bits(await local.lookup(bags));
  const source = new Turnable(clusters[0].routing);
  const ranker = await clusters[0].ranker({ routing: source, transport: 'stream', engines: 3 });
  for (const { routing } of clusters) {
    source.turn(routing);
    for (let i = 0; i < 4; i++) expect(bits(await ranker.lookup(bags))).toEqual(wanted);
  }
  await ranker.close();
  await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
});

test('engines use a routing table that has changed while they started', async () => {
  const [before, after] = await Promise.all(
    [1, 2].map(() => Cluster.start({ tables: wholeNumbers, nodes: 1 })),
  );
  await using local = await after.tables();
  const source = new Turnable(before.routing);
  const threads = engineThreads({ name: 'stream', security: {}, device: undefined });
  const start: EngineThreads['start'] = async (...engine) => {
    const running = await threads.start(...engine);
    source.turn(after.routing);
    return running;
  };
  await using ranker = await EngineRanker.open({ routing: source, engines: 2 }, { ...threads, start });
  await before[Symbol.asyncDispose]();
  for (let i = 0; i < 4; i++) expect(bits(await ranker.lookup(bags))).toEqual(bits(await local.lookup(bags)));
  await ranker.close();
  await after[Symbol.asyncDispose]();
});
