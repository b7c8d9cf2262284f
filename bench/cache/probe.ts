// npm run bench -- cache-probe: how fast a ranker finds bags of one key in its cache, against the same cache in C++ on the
// same memory pages.
import { parseArgs } from 'node:util';
import { type Bars, loadBars } from '../bars.ts';
import type { Contest } from '../bench.ts';
import { rowSource } from '../data.ts';
import { describe, environment } from '../environment.ts';
import { interleave, repeated } from '../measure.ts';
import { BAGS, compileProbe, ProbedCache, type ProbedSide } from './probed.ts';

const FULL = { entries: 1_000_000, lookups: 1_024, sampleMs: 15, pairs: 31 };
/** Only shows that everything runs. Its figures are meaningless. */
const QUICK = { entries: 8_192, lookups: 8, sampleMs: 1, pairs: 3 };
/** Keys of bags that the cache does not have are larger. */
const ABSENT = 2 ** 24;

export interface ProbeCase {
  /** Zipf exponent of the keys. Undefined: uniform. */
  readonly skew: number | undefined;
  /** Whether the cache has the bags. */
  readonly hits: boolean;
  /** Whether bags are only found. Otherwise, vectors are copied too, or the bags are sent. */
  readonly alone: boolean;
}

export const probeCases: readonly ProbeCase[] = [true, false].flatMap((hits) =>
  [undefined, 0.9].flatMap((skew) => [true, false].map((alone) => ({ skew, hits, alone }))),
);

export async function run(args: string[]): Promise<void> {
  const options = { quick: { type: 'boolean', default: false }, pairs: { type: 'string' } } as const;
  const { quick, pairs } = parseArgs({ args, options }).values;
  const { entries, lookups, sampleMs, pairs: usual } = quick ? QUICK : FULL;
  const module = await compileProbe();
  console.log(describe(environment()));
  console.log(`\na cache of ${entries} bags of one key, ${BAGS} bags of each lookup; ns per bag`);
  console.log(line(['', 'dim', 'ours', 'C++', 'ratio', 'spread']));
  for (const dim of [16, 128]) {
    const probed = new ProbedCache(module, entries, dim, lookups * BAGS);
    const { bars } = loadBars(probed);
    for (const one of probeCases) {
      const contest = probeContest(probed, bars, one, lookups, sampleMs);
      const wrong = contest.check?.();
      if (wrong !== undefined) throw new Error(`${nameOf(one)}: ${wrong}`);
      const { ours, bar, ratio, low, high } = await interleave(
        contest.ours,
        contest.bar,
        Number(pairs ?? usual),
      );
      const spread = `${cell(low, 2)} … ${cell(high, 2)}`;
      console.log(line([nameOf(one), String(dim), ns(ours), ns(bar), cell(ratio, 2), spread]));
    }
  }
}

/** Both sides look for the bags of one lookup after the other. */
export function probeContest(
  probed: ProbedCache,
  bars: Bars | undefined,
  one: ProbeCase,
  lookups: number,
  sampleMs: number,
): Contest {
  drawKeys(probed, lookups, one);
  const { ours, bar, keys } = probed;
  const inTurn = (side: ProbedSide, call: () => void) => {
    let turn = 0;
    return () => {
      probed.begin(side, keys + (turn++ % lookups) * BAGS * 4);
      call();
    };
  };
  const our = inTurn(ours, () => (one.alone ? probed.find() : probed.probe()));
  const native =
    bars &&
    inTurn(bar, () => (one.alone ? bars.cacheFind(bar.block, bar.places) : bars.cacheProbe(bar.block)));
  return {
    ours: repeated(our, BAGS, sampleMs),
    bar: native && repeated(native, BAGS, sampleMs),
    check() {
      probed.equalise();
      our();
      native?.();
      return native && probed.difference();
    },
  };
}

function drawKeys({ cached, keys, u32 }: ProbedCache, lookups: number, { skew, hits }: ProbeCase): void {
  const source = rowSource(cached.length, skew, 7);
  for (let i = 0; i < lookups * BAGS; i++) u32[keys / 4 + i] = hits ? cached[source()] : ABSENT + source();
}

function nameOf({ skew, hits, alone }: ProbeCase): string {
  return `${skew === undefined ? 'uniform' : `zipf ${skew}`}, ${hits ? 'hits' : 'misses'}, ${alone ? 'find alone' : 'all'}`;
}

function ns(perSecond: number | undefined): string {
  return cell(perSecond && 1e9 / perSecond, 1);
}

function cell(value: number | undefined, digits: number): string {
  return value === undefined ? '–' : value.toFixed(digits);
}

function line(cells: readonly string[]): string {
  return cells.map((text, i) => (i === 0 ? text.padEnd(30) : text.padStart(i === 5 ? 15 : 8))).join('');
}
