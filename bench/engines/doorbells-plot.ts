import type { Environment } from '../environment.ts';
import type { DoorbellsResult } from './doorbells.ts';
import { paperEngines } from './paper.ts';

interface DoorbellsFile extends DoorbellsResult {
  readonly environment: Environment;
  readonly quick: boolean;
}

const paper = 'the paper’s card';

/** Draws how much faster engines with a doorbell each are: the model, what it was fitted to, and the paper. */
export function doorbellsPlot({ environment, rows, predicted, quick }: DoorbellsFile): object {
  const layout = (doorbells: number): string =>
    doorbells === 1 ? '1 shared doorbell' : `${doorbells} shared doorbells`;
  const lines = predicted.map(({ engines, doorbells, ratio }) => ({
    engines,
    ratio,
    layout: layout(doorbells),
  }));
  const points = rows
    .filter(({ engines }) => engines <= environment.cpus)
    .map(({ engines, doorbells, ratio, low, high }) => ({
      engines,
      ratio,
      low,
      high,
      layout: layout(doorbells),
    }));
  const theirs = paperEngines.map(({ engines, own, shared }) => ({
    engines,
    ratio: own / shared,
    layout: paper,
  }));
  const layouts = [...new Set(lines.map((line) => line.layout))];
  const x = {
    field: 'engines',
    type: 'quantitative',
    scale: { type: 'log', base: 2 },
    axis: { values: paperEngines.map(({ engines }) => engines) },
    title: `engines (model; measured up to ${environment.cpus}, the processors of this machine)`,
  };
  const y = {
    field: 'ratio',
    type: 'quantitative',
    scale: { type: 'log', domain: [0.9, 25], nice: false },
    axis: { values: [1, 1.5, 2, 3, 5, 10, 20] },
    title: 'posts with a doorbell each / shared (model)',
  };
  const color = {
    field: 'layout',
    type: 'nominal',
    scale: { domain: [...layouts, paper], range: ['#4c78a8', '#72b7b2', '#54a24b', '#f58518', '#b279a2'] },
    title: null,
  };
  const subtitle = [
    'Lines: a queueing model of the stand-in’s doorbells.',
    'Points and quartiles: measured. Squares: the paper’s figures.',
    `${environment.cpu}, ${environment.cpus} CPUs, Node ${environment.node}${quick ? '; a smoke run' : ''}`,
  ];
  return {
    title: { text: 'What a doorbell for each engine gives, by model', subtitle },
    width: 460,
    height: 280,
    layer: [
      { data: { values: lines }, mark: { type: 'line' }, encoding: { x, y, color } },
      {
        data: { values: points },
        mark: { type: 'rule' },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, size: 50 },
        encoding: { x, y, color },
      },
      {
        data: { values: theirs },
        mark: { type: 'line', strokeDash: [4, 3], point: { shape: 'square', filled: false } },
        encoding: { x, y, color },
      },
    ],
    config: { background: 'white' },
  };
}
