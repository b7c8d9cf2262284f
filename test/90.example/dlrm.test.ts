// The networks that benchmarks run compute a DLRM, whole and in parts.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DlrmParts, dlrmNetworks, writeDlrm } from '../../bench/serving/dlrm-network.ts';
import { type DlrmShape, dlrmShapes } from '../../bench/serving/dlrm-shapes.ts';
import { type Model, readModel } from '../../examples/onnx/graph.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { runs } from '../runs.ts';
import { dlrmShape, logitOf } from './dlrm-oracle.ts';
import { type Feeds, madeUp, openNetwork, runModels } from './onnx-run.ts';

const rows = 3;
const parts: readonly DlrmParts[] = ['one', 'two', 'three'];

function feedsOf({ dense, tables, dim }: DlrmShape, seed: number): Feeds {
  const random = randomOf(seed);
  const pooled = madeUp(random, rows, tables, dim);
  return dense === 0 ? { pooled } : { dense: madeUp(random, rows, dense), pooled };
}

function expected(model: Model, { dense, tables, dim }: DlrmShape, feeds: Feeds): number[] {
  const rowOf = (name: string, width: number, row: number): Float32Array =>
    feeds[name].data.subarray(row * width, (row + 1) * width);
  return Array.from({ length: rows }, (_, row) => {
    const own = dense === 0 ? new Float32Array() : rowOf('dense', dense, row);
    const pooled = Array.from({ length: tables }, (_, table) => rowOf('pooled', dim, row * tables + table));
    return logitOf(model, own, pooled);
  });
}

function expectClose(got: Float32Array, wanted: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((value, i) => {
    const error = Math.abs(value - wanted[i]) / Math.max(Math.abs(wanted[i]), 1e-2);
    expect(error, `logit ${i}: ${value} instead of ${wanted[i]}`).toBeLessThan(tolerance);
  });
}

test('a network computes the logits that plain loops compute, in one part or several', async () => {
  const property = fc.asyncProperty(dlrmShape, fc.nat(), async (shape, seed) => {
    const feeds = feedsOf(shape, seed);
    const [{ model }] = dlrmNetworks(shape, 'one', seed);
    const { logit: whole } = await runModels([model], feeds);
    expectClose(whole.data, expected(model, shape, feeds), 1e-4);
    expect(whole.dims).toEqual([rows]);
    for (const cut of ['two', 'three'] as const) {
      const models = dlrmNetworks(shape, cut, seed).map((network) => network.model);
      expectClose((await runModels(models, feeds)).logit.data, whole.data, 1e-5);
    }
  });
  await fc.assert(property, { numRuns: runs.dlrmNetworks });
});

test.for(Object.entries(dlrmShapes))(
  '%s has the declared shapes, and logits that differ',
  async ([, shape]) => {
    const feeds = feedsOf(shape, 1);
    const [{ model }] = dlrmNetworks(shape, 'one');
    const network = await openNetwork(model);
    const shapes = network.inputMetadata.map((input) => input.isTensor && input.shape);
    expect(shapes).toEqual([
      ['b', shape.dense],
      ['b', shape.tables, shape.dim],
    ]);
    await network.release();
    const { logit } = await runModels([model], feeds);
    expectClose(logit.data, expected(model, shape, feeds), 1e-4);
    expect(new Set(logit.data).size).toBe(rows);
  },
);

test('each part is a file, and the seed decides the weights', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dlrm-'));
  const shape: DlrmShape = { dense: 3, tables: 2, dim: 4, bottom: [5], top: [6] };
  const written = (of: DlrmShape): string[][] =>
    parts.map((cut) => writeDlrm(folder, of, cut).map((path) => basename(path)));
  expect(written(shape)).toEqual([
    ['dense.onnx'],
    ['bottom.onnx', 'top.onnx'],
    ['bottom.onnx', 'interaction.onnx', 'top.onnx'],
  ]);
  expect(written({ ...shape, dense: 0 })).toEqual([
    ['dense.onnx'],
    ['top.onnx'],
    ['interaction.onnx', 'top.onnx'],
  ]);
  const weights = (seed: number): string[] => {
    const { graph } = readModel(readFileSync(writeDlrm(folder, shape, 'one', seed)[0]));
    const all = graph.initializer.filter(({ dataType }) => dataType === 'FLOAT');
    return all.map(({ rawData }) => Buffer.from(rawData ?? []).toString('hex'));
  };
  expect(weights(1)).toEqual(weights(1));
  // Four layers, each with a weight and a bias of its own.
  expect(new Set([...weights(1), ...weights(2)]).size).toBe(16);
  rmSync(folder, { recursive: true });
});
