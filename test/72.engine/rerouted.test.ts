// Engines whose routing table changes.
import { expect, test } from 'vitest';
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
