// The two sides of the benchmark cache-probe find the same, so that they are comparable.
import { beforeAll, expect, test } from 'vitest';
import { loadBars } from '../../bench/bars.ts';
import { probeCases, probeContest } from '../../bench/cache/probe.ts';
import { BAGS, compileProbe, ProbedCache } from '../../bench/cache/probed.ts';

const entries = 8_192;
const lookups = 4;
let module: WebAssembly.Module;

beforeAll(async () => {
  module = await compileProbe();
});

test.for([4, 6, 128])('vectors, places, filters and counters are the same at dim %i', (dim) => {
  const probed = new ProbedCache(module, entries, dim, lookups * BAGS);
  const { bars } = loadBars(probed);
  expect(probed.cached.length).toBeGreaterThan(0.9 * entries);
  for (const one of probeCases) {
    const { check } = probeContest(probed, bars, one, lookups, 1);
    expect(check?.()).toBeUndefined();
    if (one.alone) continue;
    const [hits] = probed.counts(probed.ours);
    expect(hits).toBe(one.hits ? BAGS : 0);
  }
});

test('some bags are found, and the keys of the others are moved together', () => {
  const probed = new ProbedCache(module, entries, 16, BAGS);
  const { bars } = loadBars(probed);
  const { ours, bar, cached, keys, u32 } = probed;
  const given = Uint32Array.from({ length: BAGS }, (_, i) => (i % 3 === 0 ? 2 ** 24 + i : cached[i]));
  const own = u32.subarray(keys / 4, keys / 4 + BAGS);
  probed.equalise();
  // Twice: then bags were missed before.
  for (let time = 0; time < 2; time++) {
    own.set(given);
    probed.begin(ours, keys);
    probed.probe();
    const sent = own.slice(0, Math.ceil(BAGS / 3));
    expect(sent).toEqual(given.filter((key) => key >= 2 ** 24));
    expect(probed.counts(ours)).toEqual([BAGS - sent.length, time * sent.length]);
    if (bars === undefined) continue;
    own.set(given);
    probed.begin(bar, keys);
    bars.cacheProbe(bar.block);
    expect(own.slice(0, sent.length)).toEqual(sent);
    expect(probed.difference()).toBeUndefined();
  }
});
