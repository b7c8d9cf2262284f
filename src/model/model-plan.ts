// A model compared with its networks and tables: every name found, every shape known.
import { FlexemrError } from '../errors.ts';
import type { TableMode, TableSpec } from '../plan/table-spec.ts';
import type { Model, ModelInput, ModelNetwork, ModelSignature } from './model.ts';
import { type NetworkInfo, shapeText, type TensorInfo } from './tensor.ts';

/** An input of a network. Numbers are places in the lists of the plan. */
export type PlannedInput = { readonly name: string } & (
  | { readonly kind: 'dense'; readonly dense: number; readonly width: number }
  /** `dims` without the batch: [features, dim] or [Σ dim]. */
  | { readonly kind: 'pooled'; readonly features: readonly number[]; readonly dims: readonly number[] }
  | { readonly kind: 'sequence'; readonly feature: number; readonly length: number | undefined }
  | {
      readonly kind: 'offsets' | 'lengths';
      readonly feature: number;
      readonly type: 'int32' | 'int64';
      readonly length: number | undefined;
    }
  | {
      readonly kind: 'output';
      readonly network: number;
      readonly output: string;
      readonly dims: readonly number[];
    }
);

export interface PlannedNetwork {
  /** The name of its file without the ending, for metrics. */
  readonly name: string;
  readonly inputs: readonly PlannedInput[];
  readonly usesLookup: boolean;
}

export interface PlannedOutput {
  readonly name: string;
  readonly network: number;
  readonly output: string;
  readonly sigmoid: boolean;
  readonly width: number;
}

export interface PlannedFeature {
  readonly name: string;
  readonly table: string;
  readonly mode: TableMode;
  readonly dim: number;
}

/** A model that its networks and tables agree with. */
export interface ModelPlan {
  readonly signature: ModelSignature;
  readonly features: readonly PlannedFeature[];
  readonly dense: readonly { readonly name: string; readonly width: number }[];
  readonly networks: readonly PlannedNetwork[];
  readonly outputs: readonly PlannedOutput[];
}

/** The output of a service that lists the best candidates. */
export const rankedName = 'index';

/** @throws INVALID_FILE if model, networks and tables do not agree */
export function planModel(
  model: Model,
  infos: readonly NetworkInfo[],
  specs: readonly TableSpec[],
): ModelPlan {
  return new Planning(model, infos, specs).plan();
}

class Planning {
  readonly #model: Model;
  readonly #infos: readonly NetworkInfo[];
  readonly #features: readonly PlannedFeature[];
  readonly #dense: { readonly name: string; readonly width: number }[] = [];

  constructor(model: Model, infos: readonly NetworkInfo[], specs: readonly TableSpec[]) {
    this.#model = model;
    this.#infos = infos;
    checkUnique('features', model.features);
    checkUnique('outputs', model.outputs);
    if (model.outputs.some(({ name }) => name === rankedName))
      throw refusal(
        'outputs',
        `${rankedName} is what the best candidates are called; give it another name`,
        rankedName,
      );
    this.#features = model.features.map(({ name, table }) => {
      const spec = specs.find((known) => known.name === table);
      if (spec !== undefined) return { name, table, mode: spec.mode, dim: spec.dim };
      throw refusal('features', `feature ${name} is of table ${table}, which does not exist`, table);
    });
  }

  plan(): ModelPlan {
    const networks = this.#model.networks.map((network, i) => this.#network(network, i));
    const outputs = this.#model.outputs.map((output) => this.#output(output));
    const { name, version, score } = this.#model;
    const ranking = outputs.find((output) => output.name === score);
    if (ranking?.width !== 1)
      throw refusal('score', `${score} is not an output with one value per candidate`, score);
    const own = outputs.map((output) => ({ name: output.name, width: output.width }));
    const signature = { name, version, features: this.#features, dense: this.#dense, outputs: own, score };
    return { signature, features: this.#features, dense: this.#dense, networks, outputs };
  }

  #network({ file, inputs }: ModelNetwork, at: number): PlannedNetwork {
    const info = this.#infos[at];
    checkUnique(file, inputs);
    for (const { name } of info.inputs)
      if (!inputs.some((input) => input.name === name))
        throw refusal(file, `the model does not say what its input ${name} is`, name);
    const planned = inputs.map((input) => {
      const found = info.inputs.find(({ name }) => name === input.name);
      if (found === undefined) throw refusal(file, `it has no input ${input.name}`, input.name);
      return this.#input(input, found, at);
    });
    const stem = file.replace(/^.*[/\\]/, '').replace(/\.[^.]*$/, '');
    // The lookup is a stage too.
    const name = stem === 'lookup' ? file : stem;
    const usesLookup = planned.some(({ kind }) => kind !== 'dense' && kind !== 'output');
    return { name, inputs: planned, usesLookup };
  }

  #input(input: ModelInput, info: TensorInfo, at: number): PlannedInput {
    const { name } = input;
    const of = (dims: readonly (number | undefined)[], type: TensorInfo['type'] = 'float32'): void =>
      checkShape(this.#infos[at].file, info, [undefined, ...dims], type);
    if ('dense' in input) {
      of([input.dense]);
      return { name, kind: 'dense', dense: this.#denseInput(name, input.dense), width: input.dense };
    }
    if ('stack' in input || 'concat' in input || 'feature' in input) {
      const [features, dims] = this.#pooled(input);
      of(dims);
      return { name, kind: 'pooled', features, dims };
    }
    if ('output' in input) {
      const { network, dims } = this.#made(input.output, at);
      of(dims);
      return { name, kind: 'output', network, output: input.output, dims };
    }
    if ('sequence' in input) {
      const feature = this.#feature(input.sequence, true);
      const { length } = input;
      of(length === undefined ? [this.#features[feature].dim] : [length, this.#features[feature].dim]);
      return { name, kind: 'sequence', feature, length };
    }
    const kind = 'offsets' in input ? 'offsets' : 'lengths';
    const feature = this.#feature('offsets' in input ? input.offsets : input.lengths, true);
    const type = info.type === 'int32' ? 'int32' : 'int64';
    of([], type);
    return { name, kind, feature, type, length: this.#lengthBeside(feature, at, kind) };
  }

  /** The length to which the sequence of a feature is cut in the same network. */
  #lengthBeside(feature: number, at: number, kind: 'offsets' | 'lengths'): number | undefined {
    const { file, inputs } = this.#model.networks[at];
    const { name } = this.#features[feature];
    const beside = inputs.find((input) => 'sequence' in input && input.sequence === name);
    if (beside === undefined || !('sequence' in beside))
      throw refusal(file, `it has ${kind} of ${name}, but no input with the sequence of ${name}`, name);
    if (kind === 'lengths' || beside.length === undefined) return beside.length;
    throw refusal(file, `offsets of ${name} are for a sequence without a length; use lengths`, name);
  }

  #denseInput(name: string, width: number): number {
    const at = this.#dense.findIndex((dense) => dense.name === name);
    if (at >= 0 && this.#dense[at].width === width) return at;
    if (at >= 0) throw refusal('networks', `dense input ${name} has two widths`, name);
    if (this.#features.some((feature) => feature.name === name))
      throw refusal('networks', `${name} is a dense input and a feature; give one another name`, name);
    return this.#dense.push({ name, width }) - 1;
  }

  #pooled(
    input: { readonly name: string } & (
      | { readonly stack: readonly string[] }
      | { readonly concat: readonly string[] }
      | { readonly feature: string }
    ),
  ): [features: number[], dims: number[]] {
    const names = 'stack' in input ? input.stack : 'concat' in input ? input.concat : [input.feature];
    const features = names.map((name) => this.#feature(name, false));
    const dims = features.map((feature) => this.#features[feature].dim);
    if (!('stack' in input)) return [features, [dims.reduce((sum, dim) => sum + dim, 0)]];
    const other = dims.findIndex((dim) => dim !== dims[0]);
    if (other < 0) return [features, [dims.length, dims[0]]];
    const problem = `${names[0]} has dim ${dims[0]}, but ${names[other]} has dim ${dims[other]}; features of different dims cannot be stacked`;
    throw refusal('networks', `input ${input.name}: ${problem}`, names[other]);
  }

  #feature(name: string, isSequence: boolean): number {
    const at = this.#features.findIndex((feature) => feature.name === name);
    if (at < 0) throw refusal('networks', `${name} is not a feature of the model`, name);
    if ((this.#features[at].mode === 'none') === isSequence) return at;
    const problem = isSequence ? 'is pooled, so it is not a sequence' : 'has mode none, so it is a sequence';
    throw refusal('networks', `feature ${name} ${problem}`, name);
  }

  /** The output of a network before this one. */
  #made(name: string, before: number): { readonly network: number; readonly dims: number[] } {
    for (let network = before - 1; network >= 0; network--) {
      const found = this.#infos[network].outputs.find((output) => output.name === name);
      if (found === undefined) continue;
      const { file } = this.#infos[network];
      const dims = (found.dims ?? [undefined]).slice(1);
      if (found.type !== 'float32' || dims.includes(undefined))
        throw refusal(
          file,
          `its output ${name} is ${shapeText(found)}, but must be float32 [b, sizes …]`,
          name,
        );
      return { network, dims: dims as number[] };
    }
    throw refusal('networks', `${name} is not an output of an earlier network`, name);
  }

  #output({ name, from = name, sigmoid = false }: Model['outputs'][number]): PlannedOutput {
    const { network, dims } = this.#made(from, this.#infos.length);
    const width = dims.reduce((product, size) => product * size, 1);
    return { name, network, output: from, sigmoid, width };
  }
}

function checkUnique(field: string, list: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of list) {
    if (seen.has(name)) throw refusal(field, `there are two with the name ${name}`, name);
    seen.add(name);
  }
}

/** Compares what an input will get with what the file says. Sizes that depend on the batch are undefined. */
function checkShape(
  file: string,
  info: TensorInfo,
  dims: readonly (number | undefined)[],
  type: TensorInfo['type'],
): void {
  const differs = (size: number | undefined, i: number): boolean =>
    size !== undefined && info.dims?.[i] !== undefined && size !== info.dims[i];
  const isWrong = info.dims !== undefined && (info.dims.length !== dims.length || dims.some(differs));
  if (info.type === type && !isWrong) return;
  const given = shapeText({ type, dims });
  throw refusal(
    file,
    `its input ${info.name} is ${shapeText(info)}, but the model gives ${given}`,
    info.name,
  );
}

function refusal(where: string, problem: string, value: unknown): FlexemrError {
  return new FlexemrError('INVALID_FILE', `model: ${where}: ${problem}`, { field: 'model', value });
}
