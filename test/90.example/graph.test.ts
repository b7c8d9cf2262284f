// An ONNX model as data loses nothing.
import { expect, test } from 'vitest';
import { batched, floats, integers, ints, node } from '../../examples/onnx/build.ts';
import { inputsOf, type Model, readModel, writeModel } from '../../examples/onnx/graph.ts';
import { denseBytes, heldOut } from './held-out.ts';
import { openNetwork, runNetwork } from './onnx-run.ts';

const small: Model = {
  irVersion: 8n,
  opsetImport: [{ version: 13n }],
  graph: { name: 'small', node: [], initializer: [], input: [], output: [batched('y', 3)] },
};
const withNode = (...nodes: Model['graph']['node']): Model => ({
  ...small,
  graph: { ...small.graph, node: nodes },
});

test('a model exported from PyTorch is written as it was read, byte for byte', async () => {
  const bytes = denseBytes();
  const model = readModel(bytes);
  const written = writeModel(model);
  expect(Buffer.compare(written, bytes)).toBe(0);
  expect(readModel(written)).toEqual(model);
  const { feeds } = await heldOut();
  const [from, to] = [await openNetwork(bytes), await openNetwork(written)];
  expect(await runNetwork(to, feeds)).toEqual(await runNetwork(from, feeds));
});

test('its parts have readable names', () => {
  const { graph, irVersion, opsetImport } = readModel(denseBytes());
  expect([irVersion, opsetImport[0].version]).toEqual([7n, 13n]);
  expect(graph.node[0]).toMatchObject({ opType: 'Gemm', input: ['dense', 'bot.0.weight', 'bot.0.bias'] });
  expect(graph.input[1].type).toMatchObject(batched('pooled', 13, 32).type ?? {});
  expect(graph.initializer[1]).toMatchObject({ dims: [64n, 10n], dataType: 'FLOAT' });
});

test('what a program builds is read back: 64-bit integers too, and tensors of several dtypes', () => {
  const slice = node('Slice', ['x', '', 'e'], 'y', [
    { ...ints('ends', []), ints: [-1n, 2n ** 63n - 1n, -(2n ** 63n)] },
  ]);
  const initializer = [integers('e', [-1, 7]), floats('w', [2], Float32Array.of(-0, 1e-40))];
  const model = withNode(slice);
  const { graph } = readModel(writeModel({ ...model, graph: { ...model.graph, initializer } }));
  expect(graph.node[0].attribute?.[0].ints).toEqual([-1n, 2n ** 63n - 1n, -(2n ** 63n)]);
  expect(graph.node[0].input).toEqual(['x', '', 'e']);
  expect(graph.initializer.map(({ dims, dataType }) => [dims, dataType])).toEqual([
    [[2n], 'INT64'],
    [[2n], 'FLOAT'],
  ]);
  expect(graph.initializer.map(({ rawData }) => Buffer.from(rawData ?? []))).toEqual(
    initializer.map(({ rawData }) => Buffer.from(rawData ?? [])),
  );
  expect(graph.output).toMatchObject([batched('y', 3)]);
});

test('fields that the schema does not have are refused, at any depth', () => {
  const unknown = Uint8Array.of(0x82, 0x7d, 1, 65);
  expect(() => readModel(Buffer.concat([writeModel(small), unknown]))).toThrow(
    '4 bytes of this model are in',
  );
  // A tensor with a dtype that is not known.
  const bytes = writeModel({ ...small, graph: { ...small.graph, initializer: [integers('i', [1])] } });
  const int64 = [0x10, 7];
  bytes[Buffer.from(bytes).indexOf(Uint8Array.from(int64)) + 1] = 99;
  expect(() => readModel(bytes)).toThrow('2 bytes of this model are in');
});

test('bytes that are no model are refused', () => {
  expect(() => readModel(new Uint8Array())).toThrow('it has no graph');
  expect(() => readModel(denseBytes().subarray(0, 1000))).toThrow();
});

test('a node takes what graphs in its attributes take from around them', () => {
  const inner = (...nodes: Model['graph']['node']): Model['graph'] => ({
    ...small.graph,
    node: nodes,
    initializer: [integers('own', [1])],
    output: [{ name: 'z' }],
  });
  const deepest = inner(node('Add', ['outer', 'own'], 'z'));
  const branch = inner(node('If', ['made'], 'z', [{ name: 'then_branch', type: 'GRAPH', g: deepest }]));
  const whole = node('If', ['x', ''], 'y', [
    {
      name: 'then_branch',
      type: 'GRAPH',
      g: { ...branch, node: [node('Not', ['x2'], 'made'), ...branch.node] },
    },
    { name: 'else_branch', type: 'GRAPH', g: { ...small.graph, output: [{ name: 'passed' }] } },
  ]);
  expect(inputsOf(whole)).toEqual(['x', 'x2', 'outer', 'passed']);
});
