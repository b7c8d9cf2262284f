// A network that is split in two gives what the whole network gives.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dlrmNetworks } from '../../bench/serving/dlrm-network.ts';
import { batched, int, node } from '../../examples/onnx/build.ts';
import { type Attribute, type Model, readModel, type Value } from '../../examples/onnx/graph.ts';
import { split } from '../../examples/onnx/split.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { example } from '../80.cli/command.ts';
import { runs } from '../runs.ts';
import { dlrmShape } from './dlrm-oracle.ts';
import { denseBytes, halfBytes, heldOut } from './held-out.ts';
import { type Feeds, madeUp, openNetwork, rowsOf, runModels, runNetwork } from './onnx-run.ts';
import { graphCase } from './random-graph.ts';

const cut = '/bot/bot.3/Relu_output_0';
const names = (values: readonly Value[]): string[] => values.map(({ name }) => name);

describe('the MovieLens example', () => {
  const halves = (): Model[] => ['bottom', 'top'].map((half) => readModel(halfBytes(half)));

  test('the script writes the files that are there', () => {
    const folder = mkdtempSync(join(tmpdir(), 'split-'));
    const { status, stderr } = spawnSync(process.execPath, [join(example, 'split.ts'), folder], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    for (const half of ['bottom', 'top']) {
      const same = Buffer.compare(readFileSync(join(folder, `${half}.onnx`)), halfBytes(half)) === 0;
      expect(same, half).toBe(true);
    }
    rmSync(folder, { recursive: true });
  });

  test('ONNX Runtime reports the shapes of what the halves take and give', async () => {
    const [bottom, top] = await Promise.all(halves().map(openNetwork));
    const shapes = (values: typeof top.inputMetadata): unknown =>
      values.map((value) => [value.name, value.isTensor && value.type, value.isTensor && value.shape]);
    expect(shapes(bottom.inputMetadata)).toEqual([['dense', 'float32', ['b', 10]]]);
    expect(shapes(bottom.outputMetadata)).toEqual([[cut, 'float32', ['b', 32]]]);
    expect(shapes(top.inputMetadata)).toEqual([
      [cut, 'float32', ['b', 32]],
      ['pooled', 'float32', ['b', 13, 32]],
    ]);
    expect(shapes(top.outputMetadata)).toEqual([['logit', 'float32', ['b']]]);
  });

  test('the halves give the bits of the whole network, and the probabilities of PyTorch', async () => {
    const { feeds, probs } = await heldOut();
    const whole = await runModels([readModel(denseBytes())], feeds);
    const { logit } = await runModels(halves(), feeds);
    expect(logit).toEqual(whole.logit);
    const worst = logit.data.map((value, i) => Math.abs(1 / (1 + Math.exp(-value)) - probs[i]));
    expect(worst).toHaveLength(200);
    expect(Math.max(...worst)).toBeLessThan(1e-6);
  });

  test('a row has the same bits in every batch', async () => {
    const { feeds } = await heldOut();
    const all = { ...feeds, ...(await runModels(halves(), feeds)) };
    for (const bytes of [denseBytes(), halfBytes('bottom'), halfBytes('top')]) {
      const network = await openNetwork(bytes);
      for (const [from, to] of [
        [0, 1],
        [7, 8],
        [199, 200],
        [3, 6],
        [0, 128],
        [72, 200],
      ]) {
        const given = await runNetwork(network, rowsOf(all, from, to));
        for (const [name, values] of Object.entries(given))
          expect(values, `${name} of rows ${from} to ${to}`).toEqual(rowsOf(all, from, to)[name]);
      }
    }
  });
});

/** Splits, checks what each half takes, and compares all outputs. */
async function expectSplit(model: Model, early: readonly string[], feeds: Feeds): Promise<void> {
  const { bottom, top } = await split(model, early);
  for (const name of names(bottom.graph.input)) expect(early).toContain(name);
  const known = [...names(bottom.graph.output), ...names(model.graph.input)];
  for (const name of names(top.graph.input)) expect(known).toContain(name);
  const given = await runModels([bottom, top], feeds);
  for (const [name, values] of Object.entries(await runModels([model], feeds)))
    expect(given[name], name).toEqual(values);
}

describe('any network', () => {
  test('random graphs give the same bits when they are split', async () => {
    const property = fc.asyncProperty(graphCase, ({ model, early, feeds }) =>
      expectSplit(model, early, feeds),
    );
    await fc.assert(property, { numRuns: runs.splitGraphs });
  });

  test('random DLRMs give the same bits when they are split', async () => {
    const property = fc.asyncProperty(
      dlrmShape,
      fc.nat(),
      fc.integer({ min: 1, max: 9 }),
      async (shape, seed, rows) => {
        fc.pre(shape.dense > 0);
        const [{ model }] = dlrmNetworks(shape, 'one', seed);
        const random = randomOf(seed);
        const dense = madeUp(random, rows, shape.dense);
        const pooled = madeUp(random, rows, shape.tables, shape.dim);
        await expectSplit(model, ['dense'], { dense, pooled });
        const { bottom } = await split(model, ['dense']);
        expect(bottom.graph.output).toEqual([batched('vector', shape.dim)]);
      },
    );
    await fc.assert(property, { numRuns: runs.splitGraphs / 2 });
  });

  test('a view that the top takes is not passed on beside the value itself, and a weight is in one half', async () => {
    const whole = readModel(denseBytes());
    const { bottom, top } = await split(whole, ['dense']);
    expect(names(bottom.graph.output)).toEqual([cut]);
    expect(names(top.graph.input)).toEqual([cut, 'pooled']);
    expect(bottom.graph.node.map(({ opType }) => opType)).toEqual(['Gemm', 'Relu', 'Gemm', 'Relu']);
    expect(top.graph.node.map(({ opType }) => opType)).toContain('Unsqueeze');
    const weights = [...bottom.graph.initializer, ...top.graph.initializer];
    expect(new Set(weights)).toEqual(new Set(whole.graph.initializer));
    expect(weights).toHaveLength(whole.graph.initializer.length);
  });

  const model = (nodes: Model['graph']['node'], ...outputs: string[]): Model => ({
    irVersion: 8n,
    opsetImport: [{ version: 13n }],
    graph: {
      name: 'small',
      node: nodes,
      initializer: [],
      input: [batched('a', 2), batched('b', 2)],
      output: outputs.map((name) => batched(name, 2)),
    },
  });

  test('a branch may take an early value, and an early value may be an output', async () => {
    const branch = (name: string, from: string): Attribute => ({
      name,
      type: 'GRAPH',
      g: { name, node: [node('Neg', [from], name)], initializer: [], input: [], output: [batched(name, 2)] },
    });
    const branches = [branch('then_branch', 'early'), branch('else_branch', 'late')];
    const nodes = [
      node('Relu', ['a'], 'early'),
      node('Relu', ['b'], 'late'),
      node('Not', ['no'], 'yes'),
      node('If', ['yes'], 'y', branches),
    ];
    const plain = model(nodes, 'y', 'early');
    const no = { name: 'no', dims: [], dataType: 'BOOL', rawData: Uint8Array.of(0) };
    const whole = { ...plain, graph: { ...plain.graph, initializer: [no] } };
    const random = randomOf(1);
    await expectSplit(whole, ['a'], { a: madeUp(random, 3, 2), b: madeUp(random, 3, 2) });
  });

  test('what cannot be split is refused', async () => {
    const sum = model([node('Add', ['a', 'b'], 'y')], 'y');
    await expect(split(sum, ['dense'])).rejects.toThrow('dense is not an input; inputs are a, b');
    await expect(split(sum, ['a'])).rejects.toThrow('no node depends on a alone');
    await expect(split(sum, ['a', 'b'])).rejects.toThrow('all nodes depend on a, b alone');
  });

  test('a dimension that is not known has neither size nor name', async () => {
    const places = [node('NonZero', ['a'], 'places'), node('Cast', ['places'], 'cast', [int('to', 1)])];
    const { top } = await split(model([...places, node('Add', ['cast', 'b'], 'y')], 'y'), ['a']);
    expect(top.graph.input[0]).toEqual({
      name: 'cast',
      type: { tensorType: { elemType: 'FLOAT', shape: { dim: [{ dimValue: 2n }, {}] } } },
    });
  });

  test('a value without known dimensions is not passed on', async () => {
    const total = node('ReduceSum', ['a'], 'total', [int('keepdims', 0)]);
    await expect(split(model([total, node('Add', ['total', 'b'], 'y')], 'y'), ['a'])).rejects.toThrow(
      'total: its shape',
    );
  });
});
