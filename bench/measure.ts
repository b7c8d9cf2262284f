/** One of two contestants. */
export interface Side {
  /** Runs until compilers and caches have settled. */
  warm(): void | Promise<void>;
  /** One sample: items per second. */
  sample(): number | Promise<number>;
}

/** Medians over all pairs of samples. If there is no bar, only ours. */
export interface Figures {
  /** Items per second. */
  readonly ours?: number;
  readonly bar?: number;
  /** Median of ours / bar of each pair. More than 1 means that ours is faster. */
  readonly ratio?: number;
  /** Quartiles of the ratio. */
  readonly low?: number;
  readonly high?: number;
}

const WARM_CALLS = 20;
const WARM_MS = 60;

/** A side that repeats `call`, which handles `items` items. One sample takes at least about `sampleMs`. */
export function repeated(call: () => void, items: number, sampleMs: number): Side {
  let calls = 1;
  const run = (): number => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) call();
    return performance.now() - start;
  };
  return {
    // WebAssembly is optimised after about twenty calls, in the background. So warming up needs a number and a time.
    warm() {
      let ms = 0;
      for (let i = 0, start = performance.now(); i < WARM_CALLS || performance.now() - start < WARM_MS; i++)
        ms = run();
      calls = Math.max(1, Math.ceil(sampleMs / ms));
    },
    sample: () => (calls * items * 1000) / run(),
  };
}

/** Samples both sides alternately, so that a slow phase of the machine affects both. */
export async function interleave(ours: Side, bar: Side | undefined, pairs: number): Promise<Figures> {
  const [a, b, ratios]: number[][] = [[], [], []];
  await ours.warm();
  await bar?.warm();
  for (let pair = 0; pair < pairs; pair++) {
    a.push(await ours.sample());
    if (!bar) continue;
    b.push(await bar.sample());
    ratios.push(a[pair] / b[pair]);
  }
  if (!bar) return { ours: median(a) };
  return {
    ours: median(a),
    bar: median(b),
    ratio: median(ratios),
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
  };
}

/** The value at `q` of the sorted samples, interpolated. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at % 1);
}
