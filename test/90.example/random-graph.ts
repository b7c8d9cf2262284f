// Random networks over vectors of one width, of which some inputs are known early.
import fc from 'fast-check';
import { batched, floats, int, integers, node } from '../../examples/onnx/build.ts';
import type { Model, Node } from '../../examples/onnx/graph.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { type Feeds, madeUp } from './onnx-run.ts';

const width = 4;
const inputs = ['a', 'b', 'c'] as const;

export interface GraphCase {
  readonly model: Model;
  readonly early: readonly string[];
  readonly feeds: Feeds;
}

type Operator = (name: string, x: string, y: string) => Node[];
const relu: Operator = (name, x) => [node('Relu', [x], name)];
const add: Operator = (name, x, y) => [node('Add', [x, y], name)];
const multiply: Operator = (name, x, y) => [node('Mul', [x, y], name)];
const gemm: Operator = (name, x) => [node('Gemm', [x, 'w', 'bias'], name)];
const view: Operator = (name, x) => [node('Identity', [x], name)];
/** A constant that is computed. */
const shifted: Operator = (name, x) => [
  node('Add', ['bias', 'bias'], `${name}.twice`),
  node('Add', [x, `${name}.twice`], name),
];
/** Views between other nodes. */
const join: Operator = (name, x, y) => [
  node('Unsqueeze', [x, 'axis'], `${name}.x`),
  node('Unsqueeze', [y, 'axis'], `${name}.y`),
  node('Concat', [`${name}.x`, `${name}.y`], `${name}.both`, [int('axis', 1)]),
  node('ReduceSum', [`${name}.both`, 'axis'], name, [int('keepdims', 0)]),
];
const operators = [relu, add, multiply, gemm, view, shifted, join];

export const graphCase: fc.Arbitrary<GraphCase> = fc
  .record({
    steps: fc.array(fc.tuple(fc.constantFrom(...operators), fc.nat(99), fc.nat(99)), { maxLength: 12 }),
    early: fc.subarray([...inputs], { minLength: 1, maxLength: 2 }),
    outputs: fc.integer({ min: 1, max: 5 }),
    seed: fc.nat(),
    rows: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ steps, early, outputs, seed, rows }) => {
    const random = randomOf(seed);
    const names: string[] = [...inputs];
    const nodes = steps.flatMap(([make, ...at], i) => {
      const [x, y] = at.map((place) => names[place % names.length]);
      names.push(`v${i}`);
      return make(`v${i}`, x, y);
    });
    // So that there is always something to compute early, and something late.
    const late = inputs.find((name) => !early.includes(name)) ?? '';
    nodes.push(...gemm('early', early[0], ''), ...add('late', 'early', late));
    const made = [...names.slice(inputs.length), 'late'];
    return {
      model: modelOf(nodes, made.slice(-outputs), random),
      early,
      feeds: Object.fromEntries(inputs.map((name) => [name, madeUp(random, rows, width)])),
    };
  });

function modelOf(nodes: readonly Node[], outputs: readonly string[], random: () => number): Model {
  const initializer = [
    floats('w', [width, width], madeUp(random, width, width).data),
    floats('bias', [width], madeUp(random, width).data),
    integers('axis', [1]),
  ];
  const values = (names: readonly string[]): Model['graph']['input'] =>
    names.map((name) => batched(name, width));
  return {
    irVersion: 8n,
    opsetImport: [{ version: 13n }],
    graph: { name: 'random', node: nodes, initializer, input: values(inputs), output: values(outputs) },
  };
}
