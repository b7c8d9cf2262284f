// A reply lists each missing key. With its list it can be longer than a slot, though its vectors fit.
import { expect, test } from 'vitest';
import { smallReplyBytesMax, smallSubrequestBytesMax } from '../../src/limits.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { bits, expectBits } from '../bits.ts';
import { Cluster } from '../cluster.ts';

test('a reply that outgrows a slot by its missing keys has the right bits', async () => {
  const [rows, dim, keyCount] = [8, 512, smallSubrequestBytesMax / 8 - 100];
  const bagCount = smallReplyBytesMax / (dim * 4) - 2;
  const tables = [
    {
      spec: { name: 'a', rows, dim, mode: 'sum' as const, missing: 'skip' as const },
      rows: new Float32Array(rows * dim).fill(1),
    },
  ];
  await using cluster = await Cluster.start({ tables, nodes: 1, rdma: true });
  const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
  await using ranker = await cluster.ranker({ transport, pushDown: 'always' });
  await using local = await cluster.tables();
  const offsets = Uint32Array.from({ length: bagCount }, (_, i) => i * 2);
  const keys = BigUint64Array.from({ length: keyCount }, (_, i) => BigInt(rows + i));
  const bags = { a: { keys, offsets } };
  await expect.poll(() => transport.connected).toBe(1);
  expectBits(bits(await ranker.lookup(bags)), bits(await local.lookup(bags)));
});
