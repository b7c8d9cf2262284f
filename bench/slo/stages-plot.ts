import { sum } from '../serving/workload.ts';
import { type StagesFile, stageNames } from './stages.ts';

/** Draws the share of each stage in the time of a batch, by dim and batch size. */
export function stagesPlot({ environment, results, quick }: StagesFile): object {
  const values = results.flatMap(({ dim, batch, ms }) => {
    const total = sum(stageNames.map((stage) => ms[stage]));
    const label = `${batch} ${batch === 1 ? 'sample' : 'samples'}, ${total.toFixed(1)} ms`;
    return stageNames.map((stage, order) => ({ dim: `dim ${dim}`, label, stage, order, ms: ms[stage] }));
  });
  const subtitle = `MLPerf's shape over two memory nodes; ${environment.cpu}, ${environment.cpus} CPUs, Node ${environment.node}${quick ? '; a smoke run' : ''}`;
  const row = {
    field: 'dim',
    title: null,
    header: { labelAngle: 0, labelAlign: 'left', labelFontWeight: 'bold' },
  };
  return {
    title: { text: 'Where the time of a batch goes', subtitle },
    data: { values },
    resolve: { scale: { y: 'independent' } },
    width: 460,
    height: { step: 22 },
    mark: { type: 'bar' },
    encoding: {
      row,
      y: { field: 'label', type: 'nominal', sort: null, title: null },
      x: {
        field: 'ms',
        type: 'quantitative',
        stack: 'normalize',
        axis: { format: '%' },
        title: 'share of the sum of all stages',
      },
      color: { field: 'stage', type: 'nominal', sort: [...stageNames], title: null },
      order: { field: 'order' },
    },
    config: { background: 'white' },
  };
}
