import type { Trace } from './trace.ts';
import { meta2021, meta2022, metaTrace } from './traces/meta.ts';
import { mlperfTrace } from './traces/mlperf.ts';
import { type SessionsShape, sessionsTrace } from './traces/sessions.ts';
import { zipfTrace } from './traces/zipf.ts';

export interface NamedTrace {
  readonly name: string;
  /** What it is, and how far it is scaled down. */
  readonly about: string;
  make(): Trace;
}

const seed = 0x5eed;

/** A probability between that of single visits (0) and that of one session a day (5/6). */
const comesBack = 0.6;

/**
 * Six requests a user and day of 10,000 users are 0.7 a second. So users come back after three minutes on average.
 *
 * @param quick a twentieth of everything that grows with the trace
 */
export function sessionsShape(quick: boolean): SessionsShape {
  const part = quick ? 20 : 1;
  return {
    ...{ users: 10_000 / part, items: 1_000_000 / part, requests: 12_000 / part, candidates: 200 },
    ...{ exponent: 0.8, comesBack, backAfter: 125 / part, candidatesAgain: 0 },
  };
}

/** @param quick a twentieth of the rows and accesses */
export function allTraces(quick: boolean): NamedTrace[] {
  const part = quick ? 20 : 1;
  const [rows, accesses, dim] = [1_000_000 / part, 4_000_000 / part, 64];
  const count = (n: number): string => n.toLocaleString('en');
  const zipf = [0.6, 0.8, 1, 1.2].map((exponent) => ({
    name: `zipf ${exponent.toFixed(1)}`,
    about: `${count(accesses)} one-hot bags over ${count(rows)} rows of dim ${dim}`,
    make: (): Trace => zipfTrace(`zipf ${exponent.toFixed(1)}`, { rows, dim, exponent, accesses }, seed),
  }));
  const meta = (
    [
      ['meta 2021', meta2021, 16_384],
      ['meta 2022', meta2022, 16_384],
    ] as const
  ).map(([name, batch, all]) => {
    const scale = { tables: 16, samples: Math.ceil(all / part) };
    const indices = batch.tables * batch.samples;
    const times = Math.round(indices / (scale.tables * scale.samples));
    const about = `${scale.tables} of ${batch.tables} tables, ${count(scale.samples)} of ${count(batch.samples)} samples (1/${times})`;
    return { name, about, make: (): Trace => metaTrace(name, batch, scale, seed) };
  });
  const sessions = sessionsShape(quick);
  const samples = 40_000 / part;
  const rowsMax = 400_000 / part;
  return [
    ...zipf,
    ...meta,
    {
      name: 'drifting',
      about: `zipf 1.0, and a new row is the most popular one every 200 accesses`,
      make: () => zipfTrace('drifting', { rows, dim, exponent: 1, accesses, period: 200 }, seed),
    },
    {
      name: 'sessions',
      about: `${count(sessions.requests)} requests of ${sessions.candidates} candidates, ${count(sessions.items)} items, ${count(sessions.users)} users, who come back with probability ${comesBack}`,
      make: () => sessionsTrace('sessions', sessions, seed),
    },
    {
      name: 'mlperf',
      about: `${count(samples)} samples of 26 bags, zipf 1.05, tables cut to ${count(rowsMax)} rows of dim 128`,
      make: () => mlperfTrace('mlperf', { rowsMax, samples, exponent: 1.05 }, seed),
    },
  ];
}
