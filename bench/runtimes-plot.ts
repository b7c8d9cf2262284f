import type { Environment } from './environment.ts';

/** The measurements of test/runtimes. */
export interface RuntimesFile {
  readonly environment: Environment;
  readonly results: readonly {
    readonly name: string;
    /** ns per row. */
    readonly ns: { readonly f32: number; readonly int8: number };
  }[];
}

/** Draws the time per row in each runtime, with one dot for f32 and one for int8. */
export function runtimesPlot({ environment, results }: RuntimesFile): object {
  const values = results.flatMap(({ name, ns }) => [
    { name, rows: '64 f32', ns: ns.f32 },
    { name, rows: '64 int8', ns: ns.int8 },
  ]);
  const y = { field: 'name', type: 'nominal', sort: null, title: null } as const;
  const x = {
    field: 'ns',
    type: 'quantitative',
    title: 'ns a row pooled, one thread',
    scale: { zero: true },
  } as const;
  return {
    title: {
      text: 'The same kernels, the same bits',
      subtitle: `sums of 256 bags of 40 keys; ${environment.cpu}, ${environment.cpus} CPUs`,
    },
    data: { values },
    width: 460,
    height: { step: 22 },
    layer: [
      {
        mark: { type: 'rule', color: '#ddd' },
        encoding: { y, x: { ...x, aggregate: 'min' }, x2: { field: 'ns', aggregate: 'max' } },
      },
      {
        mark: { type: 'point', filled: true, size: 70, opacity: 1 },
        encoding: { y, x, color: { field: 'rows', type: 'nominal', sort: null, title: 'rows of' } },
      },
    ],
    config: { background: 'white' },
  };
}
