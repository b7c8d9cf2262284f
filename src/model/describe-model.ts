// Finds out what a model is from its files: which of its inputs are pooled vectors, and which a request gives.
import { FlexemrError } from '../errors.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { Model, ModelInput, ModelNetwork, ModelOutput } from './model.ts';
import { type NetworkInfo, shapeText, type TensorInfo } from './tensor.ts';

/**
 * The model of these networks, in the order in which they run, over all tables. Each table is a feature. An input is
 * an output of an earlier network if that has its name, and a table if that has its name. Otherwise its shape decides:
 * [b, tables, dim] and [b, Σ dim] are the pooled vectors of all tables, another [b, width] is given by requests.
 * @throws INVALID_FILE with the input that is none of these
 */
export function describeModel(
  networks: readonly NetworkInfo[],
  specs: readonly TableSpec[],
  name: string,
): Model {
  const described: ModelNetwork[] = [];
  for (const [i, { file, inputs }] of networks.entries()) {
    const made = new Set(networks.slice(0, i).flatMap(({ outputs }) => outputs.map((output) => output.name)));
    described.push({ file, inputs: inputs.map((input) => describeInput(input, file, made, specs)) });
  }
  const outputs = networks.at(-1)?.outputs.flatMap(outputsOf) ?? [];
  return {
    name,
    version: '1',
    features: specs.map((spec) => ({ name: spec.name, table: spec.name })),
    networks: described,
    outputs,
    score: outputs.at(-1)?.name ?? '',
  };
}

function describeInput(
  input: TensorInfo,
  file: string,
  made: ReadonlySet<string>,
  specs: readonly TableSpec[],
): ModelInput {
  const { name, dims } = input;
  if (made.has(name)) return { name, output: name };
  const own = specs.find((spec) => spec.name === name);
  if (own?.mode === 'none') return { name, sequence: name, length: dims?.[1] };
  if (own !== undefined) return { name, feature: name };
  const pooled = specs.filter(({ mode }) => mode !== 'none');
  const all = pooled.map((spec) => spec.name);
  const [, width, dim] = dims ?? [];
  const isStack = pooled.length > 0 && pooled.every((spec) => spec.dim === dim);
  if (dims?.length === 3 && isStack && width === pooled.length) return { name, stack: all };
  const sum = pooled.reduce((total, spec) => total + spec.dim, 0);
  if (dims?.length === 2 && width === sum && pooled.length > 0) return { name, concat: all };
  if (dims?.length === 2 && width !== undefined && input.type === 'float32') return { name, dense: width };
  const tables = pooled.map((spec) => `${spec.name} ${spec.dim}`).join(', ');
  const message = `${file}: its input ${name}, ${shapeText(input)}, is not an output of an earlier network, not a table, not the pooled vectors of all tables (dims: ${tables}), and not float32 [b, width]. Write a model.json that says what it is (docs/models.md).`;
  throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: name });
}

/** An output named `logit` also gives a probability. */
function outputsOf({ name }: TensorInfo): ModelOutput[] {
  return name === 'logit' ? [{ name }, { name: 'prob', from: name, sigmoid: true }] : [{ name }];
}
