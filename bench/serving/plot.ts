import type { ServingFile } from './result.ts';

/** Draws the CPU time per sample of client and server together: one dot per contender, workload and batch size. */
export function servingPlot({ environment, results, quick }: ServingFile): object {
  const values = results.map(({ workload, keys, batch, name, clientUs, serverUs }) => {
    return { workload: `${workload}, ${keys}`, batch: `${batch} a lookup`, name, us: clientUs + serverUs };
  });
  const subtitle = `${environment.cpu}, ${environment.cpus} CPUs, Node ${environment.node}${quick ? '; a smoke run' : ''}`;
  const y = { field: 'batch', type: 'nominal', sort: null, title: null } as const;
  const x = {
    field: 'us',
    type: 'quantitative',
    scale: { type: 'log', nice: false },
    axis: { values: [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000] },
    title: 'CPU µs a sample, client + server (log)',
  } as const;
  return {
    title: { text: 'What looking up one sample costs over the network', subtitle },
    data: { values },
    facet: {
      row: {
        field: 'workload',
        sort: null,
        title: null,
        header: { labelAngle: 0, labelAlign: 'left', labelFontWeight: 'bold' },
      },
    },
    spec: {
      width: 460,
      height: { step: 20 },
      layer: [
        {
          mark: { type: 'rule', color: '#ddd' },
          encoding: {
            y,
            x: { ...x, aggregate: 'min' },
            x2: { field: 'us', aggregate: 'max' },
          },
        },
        {
          mark: { type: 'point', filled: true, size: 70, opacity: 1 },
          encoding: { y, x, color: { field: 'name', type: 'nominal', sort: null, title: null } },
        },
      ],
    },
    config: { background: 'white' },
  };
}
