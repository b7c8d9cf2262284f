// CPU of a lookup when nothing fails and nothing changes.
import { openRanker } from '../../src/host/open-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { median } from '../measure.ts';
import { ownCpuUs, scheduledUsOf } from '../serving/cpu.ts';
import { bags, features, type Started } from './nodes.ts';

/** Lookups of one sample, and samples before those that count. */
const sampleLookups = 800;
const warmSamples = 5;

export interface Compared {
  /** One node per shard. */
  readonly once: Started;
  /** The same, with another release loaded. */
  readonly next: Started;
  /** Two nodes per shard. */
  readonly twice: Started;
}

interface Kind {
  readonly name: string;
  readonly ranker: Ranker;
  readonly pids: readonly number[];
  /** µs of each lookup, in each sample. */
  readonly rankerUs: number[];
  readonly nodesUs: number[];
}

/** @param inFlight lookups at a time */
export async function cost({ once, next, twice }: Compared, inFlight: number, pairs: number): Promise<void> {
  const kinds = [
    await kindOf('1 node per shard', once, true),
    await kindOf('with the next release', next, true),
    await kindOf('2 replicas, no hedges', twice, false),
    await kindOf('2 replicas', twice, true),
  ];
  for (let pair = -warmSamples; pair < pairs; pair++) {
    // Every second round runs in reverse order, so that no place in a round is better.
    for (const kind of pair % 2 === 0 ? kinds : kinds.toReversed()) {
      const before = [ownCpuUs(), scheduledUsOf(kind.pids)];
      await lookUp(kind.ranker, inFlight);
      if (pair < 0) continue;
      kind.rankerUs.push((ownCpuUs() - before[0]) / sampleLookups);
      kind.nodesUs.push((scheduledUsOf(kind.pids) - before[1]) / sampleLookups);
    }
  }
  console.log(`\nCPU per lookup of ${features} tables, ${inFlight} at a time, medians of ${pairs} pairs`);
  console.log(`${''.padEnd(24)}    ranker           nodes       hedged`);
  for (const { name, ranker, rankerUs, nodesUs } of kinds) {
    const { subrequests, hedged } = ranker.stats;
    const share = ((100 * hedged) / subrequests).toFixed(2);
    const figures = [text(rankerUs, kinds[0].rankerUs), text(nodesUs, kinds[0].nodesUs)].join('   ');
    console.log(`${name.padEnd(24)}${figures}   ${share} %`);
    await ranker.close();
  }
}

function text(us: readonly number[], bar: readonly number[]): string {
  const ratio = median(us.map((each, pair) => each / bar[pair]));
  return `${median(us).toFixed(1).padStart(5)} µs ${ratio.toFixed(2)} ×`;
}

async function kindOf(name: string, { routing, pids }: Started, hedge: boolean): Promise<Kind> {
  const ranker = await openRanker({ routing, transport: 'stream', hedge });
  return { name, ranker, pids, rankerUs: [], nodesUs: [] };
}

async function lookUp(ranker: Ranker, inFlight: number): Promise<void> {
  const loop = async (): Promise<void> => {
    for (let i = 0; i < sampleLookups / inFlight; i++) (await ranker.lookup(bags))[Symbol.dispose]();
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
}
