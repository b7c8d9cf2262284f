import type { SloFile } from './result.ts';

/** Draws how many samples a second each service keeps in time: one dot per service and model. */
export function sloPlot({ environment, models, quick }: SloFile): object {
  const values = models.flatMap(({ model, sloMs, kept }) =>
    kept
      .filter(({ perSecond }) => perSecond > 0)
      .map(({ name, perSecond }) => ({ model: `${model}, ${sloMs} ms`, name, perSecond })),
  );
  const subtitle = `${environment.cpu}, ${environment.cpus} CPUs, Node ${environment.node}${quick ? '; a smoke run' : ''}`;
  const y = { field: 'model', type: 'nominal', sort: null, title: null } as const;
  const x = {
    field: 'perSecond',
    type: 'quantitative',
    scale: { type: 'log' },
    title: 'samples/s with p99 in time (log)',
  } as const;
  return {
    title: { text: 'Samples that are scored in time', subtitle },
    data: { values },
    width: 460,
    height: { step: 30 },
    layer: [
      {
        mark: { type: 'rule', color: '#ddd' },
        encoding: { y, x: { ...x, aggregate: 'min' }, x2: { field: 'perSecond', aggregate: 'max' } },
      },
      {
        mark: { type: 'point', filled: true, size: 70, opacity: 1 },
        encoding: { y, x, color: { field: 'name', type: 'nominal', sort: null, title: null } },
      },
    ],
    config: { background: 'white' },
  };
}
