// Cuts a network in two: what can be computed from inputs that are known early, and the rest.
import { type Graph, inputsOf, type Model, type Node, type Value } from './graph.ts';
import { withOutputTypes } from './types.ts';

/** When a value is known. What constants alone make is always known. */
type When = 'always' | 'early' | 'late';

/** These give the same elements in another shape. */
const views = new Set(['Unsqueeze', 'Squeeze', 'Reshape', 'Flatten', 'Identity']);

export interface Halves {
  /** Takes early inputs alone. Its outputs are what `top` takes from it, and outputs of the model that are early. */
  readonly bottom: Model;
  /** Takes outputs of `bottom`, and inputs of the model. */
  readonly top: Model;
}

/**
 * Both halves together give what the model gives. Values keep their names. Constants, and views of values, are in each
 * half that uses them, so that no value is passed on twice.
 * @param early names of inputs @throws Error if a half would have no nodes
 */
export async function split(model: Model, early: readonly string[]): Promise<Halves> {
  const { graph } = model;
  const known = whenKnown(graph, early);
  const isEarly = (name: string): boolean => known.get(name) === 'early';
  const made = new Set(graph.node.filter((node) => !isView(node, known)).flatMap(({ output }) => output));
  const passed = (name: string): boolean => isEarly(name) && made.has(name);

  const names = graph.output.map(({ name }) => name);
  const late = names.filter((name) => !isEarly(name));
  const topNodes = nodesFor(graph, late, passed);
  const cut = new Set(topNodes.flatMap(inputsOf).filter(passed));
  const bottomOutputs = [...new Set([...cut, ...names.filter(isEarly)])];
  const bottomNodes = nodesFor(graph, bottomOutputs, () => false);
  if (bottomNodes.length === 0) throw new Error(`no node depends on ${early.join(', ')} alone`);
  if (topNodes.length === 0) throw new Error(`all nodes depend on ${early.join(', ')} alone`);

  const bottom = await withOutputTypes(half(model, bottomNodes, [], bottomOutputs));
  const taken = bottom.graph.output.filter(({ name }) => cut.has(name));
  return { bottom, top: half(model, topNodes, taken, late) };
}

function whenKnown({ node, input, initializer }: Graph, early: readonly string[]): Map<string, When> {
  const constants = new Set(initializer.map(({ name }) => name));
  const inputs = input.map(({ name }) => name).filter((name) => !constants.has(name));
  const unknown = early.find((name) => !inputs.includes(name));
  if (unknown !== undefined) throw new Error(`${unknown} is not an input; inputs are ${inputs.join(', ')}`);
  const known = new Map(
    inputs.map((name): [string, When] => [name, early.includes(name) ? 'early' : 'late']),
  );
  for (const each of node) {
    const times = new Set(inputsOf(each).map((name) => known.get(name) ?? 'always'));
    const when = times.has('late') ? 'late' : times.has('early') ? 'early' : 'always';
    for (const name of each.output) known.set(name, when);
  }
  return known;
}

/** Says whether a node gives its first input in a shape that is always known. */
function isView({ opType, input }: Node, known: ReadonlyMap<string, When>): boolean {
  return views.has(opType) && input.slice(1).every((name) => (known.get(name) ?? 'always') === 'always');
}

/** The nodes that make the outputs, if some values are given. */
function nodesFor(graph: Graph, outputs: readonly string[], given: (name: string) => boolean): Node[] {
  const wanted = new Set(outputs);
  const makes = (name: string): boolean => wanted.has(name) && !given(name);
  const nodes = graph.node.toReversed().filter((node) => {
    const needed = node.output.some(makes);
    if (needed) for (const name of inputsOf(node)) wanted.add(name);
    return needed;
  });
  return nodes.reverse();
}

/** The model with some of its nodes, and what they use. */
function half(
  model: Model,
  node: readonly Node[],
  taken: readonly Value[],
  outputs: readonly string[],
): Model {
  const { graph } = model;
  const used = new Set([...node.flatMap(inputsOf), ...outputs]);
  const isUsed = ({ name = '' }: { readonly name?: string }): boolean => used.has(name);
  const typed = new Map([...(graph.valueInfo ?? []), ...graph.output].map((value) => [value.name, value]));
  const inner = new Set(node.flatMap(({ output }) => output).filter((name) => !outputs.includes(name)));
  return {
    ...model,
    graph: {
      ...graph,
      node,
      initializer: graph.initializer.filter(isUsed),
      sparseInitializer: graph.sparseInitializer?.filter(({ values }) => isUsed(values)) ?? [],
      input: [...taken, ...graph.input.filter(isUsed)],
      output: outputs.map((name) => typed.get(name) ?? { name }),
      valueInfo: graph.valueInfo?.filter(({ name }) => inner.has(name)) ?? [],
      quantizationAnnotation:
        graph.quantizationAnnotation?.filter(({ tensorName }) => used.has(tensorName)) ?? [],
    },
  };
}
