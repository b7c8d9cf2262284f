// One request to score: a user and the candidates for this user, as the caller gave them, checked.
import * as v from 'valibot';
import { check, checkFields, named, options, typedArray } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import type { ModelPlan, PlannedFeature } from '../model/model-plan.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { type CheckedBags, checkBags } from '../plan/checked-bags.ts';
import { candidatesMax } from '../scoring-limits.ts';

export interface ScoreRequest {
  /**
   * Bags by feature. A feature has one result per candidate, or one that stands for all candidates. It names no table,
   * because the model does.
   */
  readonly bags: KeyedBags;
  /** By dense input: f32 [candidates, width], or f32 [1, width] for all candidates. */
  readonly dense?: Readonly<Record<string, Float32Array>> | undefined;
}

/** The bags of one feature. */
export interface FeatureBags extends CheckedBags {
  readonly bags: number;
  /** Number of results: that of the candidates, or 1. */
  readonly results: number;
}

/** A request that was checked. */
export interface CheckedRequest {
  readonly candidates: number;
  /** In the order of the model's features. */
  readonly features: readonly FeatureBags[];
  /** In the order of the model's dense inputs: f32 [candidates, width], or f32 [1, width]. */
  readonly dense: readonly Float32Array[];
  /** Names the features whose bags have weights. Only requests with the same are looked up together. */
  readonly weighted: string;
}

const scoreRequest = options({ bags: named, dense: v.optional(named, {}) });
const floats = typedArray<Float32Array>('Float32Array');

/** @throws INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, INVALID_OPTION, UNKNOWN_TABLE, LIMIT_EXCEEDED */
export function checkRequest(request: ScoreRequest, plan: ModelPlan): CheckedRequest {
  const { bags, dense } = checkFields(scoreRequest, request, 'request', 'INVALID_BAGS');
  checkNames('bags', bags, plan.features, 'UNKNOWN_TABLE');
  checkNames('dense', dense, plan.dense, 'INVALID_OPTION');
  const features = plan.features.map((feature) => bagsOf(feature, bags[feature.name] as Bags));
  const values = plan.dense.map(({ name, width }) => denseOf(name, width, dense[name]));
  const rows = values.map(({ length }, i) => length / plan.dense[i].width);
  const candidates = Math.max(0, ...features.map(({ results }) => results), ...rows);
  if (candidates < 1 || candidates > candidatesMax) {
    const message = `a request has ${candidates} candidates, but it must have 1 to ${candidatesMax}`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'bags', value: candidates });
  }
  for (const [i, { results }] of features.entries())
    if (results !== candidates && results !== 1)
      throw uneven('INVALID_BAGS', plan.features[i].name, `${results} results`, candidates);
  for (const [i, count] of rows.entries())
    if (count !== candidates && count !== 1)
      throw uneven('INVALID_OPTION', `dense.${plan.dense[i].name}`, `${count} rows`, candidates);
  const weighted = features.map(({ weights }) => (weights === undefined ? '-' : 'w')).join('');
  return { candidates, features, dense: values, weighted };
}

function checkNames(
  field: 'bags' | 'dense',
  given: Readonly<Record<string, unknown>>,
  known: readonly { readonly name: string }[],
  code: 'UNKNOWN_TABLE' | 'INVALID_OPTION',
): void {
  for (const name of Object.keys(given)) {
    if (known.some((own) => own.name === name)) continue;
    const what = field === 'bags' ? 'feature' : 'dense input';
    const list = known.slice(0, 5).map((own) => own.name);
    const message = `${field}: the model has no ${what} named ${JSON.stringify(name)} (it has: ${list.join(', ') || 'none'})`;
    throw new FlexemrError(code, message, { field, value: name });
  }
}

function bagsOf({ name, mode }: PlannedFeature, given: Bags | undefined): FeatureBags {
  if (given === undefined || given === null || given.table !== undefined) {
    const problem = given?.table === undefined ? 'its bags are missing' : 'bags of a model name no table';
    const message = `${name}: ${problem}; a request has the bags of every feature of the model`;
    throw new FlexemrError('INVALID_BAGS', message, { field: name, value: given });
  }
  const checked = checkBags(name, given, false, mode);
  const bags = checked.offsets.length - 1;
  return { ...checked, bags, results: checked.inverse?.length ?? bags };
}

function denseOf(name: string, width: number, given: unknown): Float32Array {
  const values = check(floats, given, `dense.${name}`);
  if (values.length % width === 0) return values;
  const message = `dense.${name}: ${values.length} values, but each row has ${width}`;
  throw new FlexemrError('INVALID_OPTION', message, { field: `dense.${name}`, value: values.length });
}

function uneven(
  code: 'INVALID_BAGS' | 'INVALID_OPTION',
  field: string,
  given: string,
  candidates: number,
): FlexemrError {
  const message = `${field}: ${given}, but the request has ${candidates} candidates; give one for each, or one for all`;
  return new FlexemrError(code, message, { field, value: Number.parseInt(given, 10) });
}
