// npm run bench -- plot FILE.json FILE.svg: draws the measurements of `kernels --json`, `serving --json`, `slo --json`,
// `stages --json`, `cache-policies --json`, `cache-sessions --json`, `cache-memory --json`,
// `engines --only doorbells --json` or `npm run test:runtimes -- --json`.
import { readFileSync, writeFileSync } from 'node:fs';
import { cacheMemoryPlot } from './cache/memory-plot.ts';
import { cachePoliciesPlot } from './cache/plot.ts';
import { cacheSessionsPlot } from './cache/sessions-plot.ts';
import { doorbellsPlot } from './engines/doorbells-plot.ts';
import type { Environment } from './environment.ts';
import { peer } from './peers.ts';
import { runtimesPlot } from './runtimes-plot.ts';
import { servingPlot } from './serving/plot.ts';
import { sloPlot } from './slo/plot.ts';
import { stagesPlot } from './slo/stages-plot.ts';
import { UsageError } from './usage.ts';

interface Result {
  readonly name: string;
  readonly against: string;
  readonly unit: string;
  readonly ours: number;
  readonly ratio?: number;
  readonly low?: number;
  readonly high?: number;
}

/** Bars that do the same work in native code, with the same roundings. */
const nativeBars = new Set(['T0', 'C++']);

export async function run(args: string[]): Promise<void> {
  const [from, to] = args;
  if (from === undefined || to === undefined) throw new UsageError('plot takes FILE.json and FILE.svg');
  const measured = JSON.parse(readFileSync(from, 'utf8'));
  const spec = (plots[measured.benchmark as keyof typeof plots] ?? kernelsPlot)(measured);
  const [vega, { compile }] = await Promise.all([peer('vega'), peer('vega-lite')]);
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  writeFileSync(to, `${await view.toSVG()}\n`);
}

/** By the field `benchmark` of a file. Files of the benchmark `kernels` do not have this field. */
const plots = {
  serving: servingPlot,
  slo: sloPlot,
  stages: stagesPlot,
  'cache-policies': cachePoliciesPlot,
  'cache-sessions': cacheSessionsPlot,
  'cache-memory': cacheMemoryPlot,
  'engines-doorbells': doorbellsPlot,
  runtimes: runtimesPlot,
} as const;

interface Measured {
  readonly environment: Environment;
  readonly results: readonly Result[];
}

function kernelsPlot({ environment, results }: Measured): object {
  const pairs = results.filter(({ against, ratio }) => nativeBars.has(against) && ratio);
  const values = pairs.map(({ name, unit, ours, ratio, low, high }) => {
    return { name, ratio, low, high, rate: `${(ours / 1e6).toFixed(0)} M ${unit}` };
  });
  const y = { field: 'name', type: 'nominal', sort: null, title: null, axis: { labelLimit: 320 } } as const;
  return {
    title: {
      text: 'Speed against native code that does the same, rounding by rounding (1 = equal)',
      subtitle: `${environment.isa} with prefetch, ${environment.compiler}; ${environment.cpu}, Node ${environment.node}`,
    },
    data: { values },
    width: 460,
    height: { step: 20 },
    layer: [
      {
        mark: { type: 'bar', color: '#4c78a8', height: 13 },
        encoding: { y, x: { field: 'ratio', type: 'quantitative', title: 'ours / native, quartiles' } },
      },
      {
        mark: { type: 'rule' },
        encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4, color: 'white', fontSize: 10 },
        encoding: { y, x: { datum: 0 }, text: { field: 'rate' } },
      },
      { mark: { type: 'rule', strokeDash: [4, 3] }, encoding: { x: { datum: 1 } } },
    ],
    config: { background: 'white' },
  };
}
