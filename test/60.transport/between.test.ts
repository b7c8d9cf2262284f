// Proxies between a ranker and a node: they can split bytes into any pieces, and may not support streams.
import { describe, expect, test } from 'vitest';
import { randomOf } from '../10.kernel/pool-case.ts';
import { bits, expectBits } from '../bits.ts';
import { contenders } from './contenders.ts';
import { dribbler, plainProxy } from './proxies.ts';
import { largeBags, Rig, someBags } from './rig.ts';

const portOf = (url: string): number => Number(new URL(url).port);

/** The URL of a node behind a proxy. */
function behind(url: string, { port }: { readonly port: number }): string {
  const own = new URL(url);
  own.port = String(port);
  return own.origin;
}

describe.for(contenders.filter(({ sockets }) => sockets))('$name', (of) => {
  test('byte by byte', async () => {
    await using rig = await Rig.start(of, 1);
    await using local = await rig.cluster.tables();
    const [{ url }] = rig.cluster.nodes;
    await using proxy = await dribbler(portOf(url), () => 1);
    const ranker = await rig.ranker(of.client, [behind(url, proxy)]);
    const all = Array.from({ length: 3 }, (_, seed) => {
      const { rows, ...bags } = someBags(seed, 2);
      return bags;
    });
    const got = await Promise.all(all.map((bags) => ranker.lookup(bags, { deadline: 60_000 })));
    for (const [i, bags] of all.entries()) expectBits(bits(got[i]), bits(await local.lookup(bags)));
  });

  test('in pieces of any length', async () => {
    await using rig = await Rig.start(of, 1);
    await using local = await rig.cluster.tables();
    const [{ url }] = rig.cluster.nodes;
    const random = randomOf(17);
    await using proxy = await dribbler(portOf(url), () => 1 + Math.floor(random() ** 4 * 200_000));
    const ranker = await rig.ranker(of.client, [behind(url, proxy)]);
    const all = [largeBags(1), ...Array.from({ length: 20 }, (_, seed) => someBags(seed))];
    const got = await Promise.all(all.map((bags) => ranker.lookup(bags, { deadline: 60_000 })));
    for (const [i, bags] of all.entries()) expectBits(bits(got[i]), bits(await local.lookup(bags)));
  });
});

const stream = contenders.find(({ name }) => name === 'stream');

describe('a stream falls back to HTTP', () => {
  test.for([
    ['leaves out the Upgrade', undefined],
    ['answers it by 404', 404],
    ['answers it by 400', 400],
    ['answers it by 502', 502],
  ] as const)('if a proxy %s', async ([, answer]) => {
    if (stream === undefined) throw new Error('no contender is a stream');
    await using rig = await Rig.start(stream, 2);
    await using local = await rig.cluster.tables();
    const urls = rig.cluster.nodes.map(({ url }) => url);
    await using first = await plainProxy(portOf(urls[0]), answer);
    await using second = await plainProxy(portOf(urls[1]), answer);
    const proxied = [behind(urls[0], first), behind(urls[1], second)];
    const ranker = await rig.ranker({}, proxied);
    const all = Array.from({ length: 20 }, (_, seed) => someBags(seed));
    const got = await Promise.all(all.map((bags) => ranker.lookup(bags)));
    for (const [i, bags] of all.entries()) expectBits(bits(got[i]), bits(await local.lookup(bags)));
    // The ranker does not try the Upgrade again.
    const { upgrades } = first;
    for (const bags of all) await ranker.lookup(bags);
    expect(first.upgrades).toBe(upgrades);
    expect(upgrades).toBeGreaterThan(0);
  });

  test('and a deadline ends its lookups too', async () => {
    if (stream === undefined) throw new Error('no contender is a stream');
    await using rig = await Rig.start(stream, 1);
    const [{ url }] = rig.cluster.nodes;
    await using proxy = await plainProxy(portOf(url));
    const ranker = await rig.ranker({}, [behind(url, proxy)]);
    rig.gates[0].close();
    await expect(ranker.lookup(someBags(1), { deadline: 100 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    rig.gates[0].open();
    await ranker.lookup(someBags(1));
  });
});
