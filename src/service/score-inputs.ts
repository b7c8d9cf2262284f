// The inputs of a model as tensors of the Open Inference Protocol. Bags are ragged, and so are several tensors, named as
// NVIDIA Merlin does: NAME__values and NAME__offsets. Bags of equal length can be one tensor NAME.
import { FlexemrError, show } from '../errors.ts';
import type { ModelSignature } from '../model/model.ts';
import type { Bags } from '../plan/bags.ts';
import type { ScoreRequest } from '../scorer/score-request.ts';
import { candidatesMax } from '../scoring-limits.ts';
import type { Slices } from '../wire/slices.ts';
import { floatsOf } from './floats.ts';
import { integersOf } from './integers.ts';
import { shapeText, type Tensor, wrongInput } from './tensor.ts';

const suffixes = ['values', 'offsets', 'lengths', 'weights', 'inverse'] as const;
type Part = 'plain' | (typeof suffixes)[number];
type Parts = { readonly [Name in Part]?: Tensor };

/** What a tensor is: a part of the bags of a feature, or a dense input. */
type Role = { readonly feature: string; readonly part: Part } | { readonly dense: string };

export interface NamedRequest {
  readonly request: ScoreRequest;
  /** Which tensor an array of the bags was, that an error of the scorer names as `genres.keys`. */
  tensorOf(array: string): string | undefined;
}

/** Makes requests of tensors. */
export class ScoreInputs {
  readonly #signature: ModelSignature;
  readonly #roles: ReadonlyMap<string, Role>;

  /** @throws INVALID_OPTION if two inputs of the model have tensors of one name */
  constructor(signature: ModelSignature) {
    this.#signature = signature;
    this.#roles = rolesOf(signature);
  }

  /** @throws INVALID_BAGS, LIMIT_EXCEEDED. Keys, offsets and numbers of candidates are checked by the scorer */
  async requestOf(inputs: readonly Tensor[], slices: Slices): Promise<NamedRequest> {
    const { features, dense } = this.#signature;
    const given = this.#sort(inputs);
    const bags: [string, Bags][] = [];
    const floats: [string, Float32Array][] = [];
    for (const { name } of features) {
      if (slices.over) await slices.pause();
      const parts = given.features.get(name) ?? {};
      bags.push([name, await bagsOf(name, parts, slices)]);
    }
    for (const { name, width } of dense)
      floats.push([name, await rowsOf(name, width, given.dense.get(name), slices)]);
    return {
      request: { bags: Object.fromEntries(bags), dense: Object.fromEntries(floats) },
      tensorOf: (array) => tensorOf(given.features, array),
    };
  }

  #sort(inputs: readonly Tensor[]): { features: Map<string, Parts>; dense: Map<string, Tensor> } {
    const features = new Map<string, Parts>();
    const dense = new Map<string, Tensor>();
    for (const tensor of inputs) {
      const role = this.#roles.get(tensor.name);
      if (role === undefined) throw this.#unknown(tensor);
      if ('dense' in role) dense.set(role.dense, tensor);
      else features.set(role.feature, { ...features.get(role.feature), [role.part]: tensor });
    }
    return { features, dense };
  }

  #unknown(tensor: Tensor): FlexemrError {
    const { features, dense } = this.#signature;
    const names = [...features, ...dense].map(({ name }) => name);
    const some = `${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`;
    const problem = `the model has no such input; it has ${some}, and of features NAME__values, NAME__offsets, NAME__lengths, NAME__weights, NAME__inverse`;
    return wrongInput(tensor, problem);
  }
}

function rolesOf({ features, dense }: ModelSignature): Map<string, Role> {
  const roles = new Map<string, Role>();
  const add = (tensor: string, role: Role): void => {
    if (roles.has(tensor)) throw ambiguous(tensor);
    roles.set(tensor, role);
  };
  for (const { name } of features) {
    add(name, { feature: name, part: 'plain' });
    for (const part of suffixes) add(`${name}__${part}`, { feature: name, part });
  }
  for (const { name } of dense) add(name, { dense: name });
  return roles;
}

function ambiguous(tensor: string): FlexemrError {
  const message = `two inputs of the model would have tensors named ${show(tensor)}; rename one of them`;
  return new FlexemrError('INVALID_OPTION', message, { field: 'inputs', value: tensor });
}

function tensorOf(features: ReadonlyMap<string, Parts>, array: string): string | undefined {
  const [, name = '', part] = /^(.*)\.(keys|offsets|lengths|weights|inverse)$/s.exec(array) ?? [];
  const { plain, values, ...others } = features.get(name) ?? {};
  return (part === 'keys' ? (values ?? plain) : others[part as keyof typeof others])?.name;
}

async function bagsOf(feature: string, parts: Parts, slices: Slices): Promise<Bags> {
  const { plain, values, offsets, lengths, weights, inverse } = parts;
  if (plain !== undefined) return await plainBags(feature, parts, plain, slices);
  if (values === undefined || (offsets === undefined) === (lengths === undefined)) {
    const problem =
      offsets && lengths ? `has ${feature}__offsets and ${feature}__lengths` : 'is missing or not complete';
    throw wrongInput({ name: feature }, `it ${problem}; ${wanted(feature)}`);
  }
  return {
    keys: await integersOf(line(values), slices),
    ...(offsets && { offsets: await integersOf(line(offsets), slices), includeLastOffset: true }),
    ...(lengths && { lengths: await integersOf(line(lengths), slices) }),
    ...(weights && { weights: await floatsOf(line(weights), slices) }),
    ...(inverse && { inverse: await integersOf(line(inverse), slices) }),
  };
}

function wanted(feature: string): string {
  return `give ${feature}__values with ${feature}__offsets or ${feature}__lengths, or ${feature} with a shape of [bags] or [bags, keys]`;
}

/** Bags of equal length. */
async function plainBags(feature: string, parts: Parts, plain: Tensor, slices: Slices): Promise<Bags> {
  if (Object.keys(parts).length > 1)
    throw wrongInput(plain, `other tensors of this input are there too; ${wanted(feature)}`);
  const [bags, length = 1, ...others] = plain.shape;
  if (bags === undefined || others.length > 0)
    throw wrongInput(plain, `its shape is ${shapeText(plain)}; ${wanted(feature)}`);
  if (bags > candidatesMax) {
    const message = `input ${show(feature)}: ${bags} bags, but a request has at most ${candidatesMax} candidates`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field: feature, value: bags });
  }
  const keys = await integersOf(plain, slices);
  const offsets = Uint32Array.from({ length: bags + 1 }, (_, bag) => bag * length);
  return { keys, offsets, includeLastOffset: true };
}

/** Checks that a tensor is a list. Some clients send a batch dimension of 1 before it. */
function line(tensor: Tensor): Tensor {
  const { shape } = tensor;
  if (shape.length === 1 || (shape.length === 2 && shape[0] === 1)) return tensor;
  throw wrongInput(tensor, `its shape is ${shapeText(tensor)}, but must be [n] or [1, n]`);
}

/** A dense input: any number of rows, or one row without a dimension for rows. */
async function rowsOf(
  name: string,
  width: number,
  tensor: Tensor | undefined,
  slices: Slices,
): Promise<Float32Array> {
  const shapes = `[candidates, ${width}] or [1, ${width}]`;
  if (tensor === undefined) throw wrongInput({ name }, `it is missing; give FP32 with a shape of ${shapes}`);
  const { shape } = tensor;
  const isRow = shape.length === 1 && (shape[0] === width || width === 1);
  if (!isRow && (shape.length !== 2 || shape[1] !== width))
    throw wrongInput(tensor, `its shape is ${shapeText(tensor)}, but must be ${shapes}`);
  return await floatsOf(tensor, slices);
}
