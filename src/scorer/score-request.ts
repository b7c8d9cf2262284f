// One request to score: a user and the candidates for this user, as the caller gave them, checked.
import { checkFields, named, options, typedArray } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { candidatesMax } from '../limits.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import { type CheckedBags, checkBags } from '../plan/checked-bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';

export interface ScoreRequest {
  /** Bags by table. A table has one result per candidate, or one that stands for all candidates. */
  readonly bags: KeyedBags;
  /** f32 [candidates, features], or f32 [1, features] for all candidates. */
  readonly dense: Float32Array;
}

/** What a model takes. */
export interface ScoreInputs {
  /** Tables, in the order of their vectors. */
  readonly specs: readonly TableSpec[];
  /** Number of dense features of a candidate. */
  readonly features: number;
}

/** The bags of one table. */
export interface TableBags extends CheckedBags {
  readonly bags: number;
  /** Number of results: that of the candidates, or 1. */
  readonly results: number;
}

/** A request that was checked. */
export interface CheckedRequest {
  readonly candidates: number;
  /** In the order of the tables. */
  readonly tables: readonly TableBags[];
  /** f32 [candidates, features], or f32 [1, features]. */
  readonly dense: Float32Array;
  /** Names the tables whose bags have weights. Only requests with the same are looked up together. */
  readonly weighted: string;
}

const scoreRequest = options({
  bags: named,
  dense: typedArray<Float32Array>('Float32Array'),
});

/** @throws INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, INVALID_OPTION, UNKNOWN_TABLE, LIMIT_EXCEEDED */
export function checkRequest(request: ScoreRequest, { specs, features }: ScoreInputs): CheckedRequest {
  const { bags, dense } = checkFields(scoreRequest, request, 'request', 'INVALID_BAGS');
  checkNames(bags, specs);
  const tables = specs.map((spec) => bagsOf(spec, bags[spec.name] as Bags));
  const rows = dense.length / features;
  const candidates = tables.reduce((most, { results }) => Math.max(most, results), Math.floor(rows));
  if (candidates < 1 || candidates > candidatesMax) {
    const message = `a request has ${candidates} candidates, but it must have 1 to ${candidatesMax}`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'bags', value: candidates });
  }
  for (const [i, { results }] of tables.entries())
    if (results !== candidates && results !== 1) throw uneven(specs[i].name, results, candidates);
  if (rows !== candidates && rows !== 1) {
    const message = `dense: ${dense.length} values, but ${candidates} candidates with ${features} features have ${candidates * features}; give these, or ${features} for all candidates`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'dense', value: dense.length });
  }
  const weighted = tables.map(({ weights }) => (weights === undefined ? '-' : 'w')).join('');
  return { candidates, tables, dense, weighted };
}

function checkNames(bags: Readonly<Record<string, unknown>>, specs: readonly TableSpec[]): void {
  const known = new Set(specs.map(({ name }) => name));
  for (const name of Object.keys(bags)) {
    if (known.has(name)) continue;
    const message = `bags: the model has no table named ${JSON.stringify(name)} (its tables: ${[...known].slice(0, 5).join(', ')})`;
    throw new FlexemrError('UNKNOWN_TABLE', message, { field: 'bags', value: name });
  }
}

function bagsOf({ name, mode }: TableSpec, given: Bags | undefined): TableBags {
  if (given === undefined || given === null || given.table !== undefined) {
    const problem = given?.table === undefined ? 'its bags are missing' : 'a table cannot name another one';
    const message = `${name}: ${problem}; a request has the bags of every table of the model`;
    throw new FlexemrError('INVALID_BAGS', message, { field: name, value: given });
  }
  const checked = checkBags(name, given, false, mode);
  const bags = checked.offsets.length - 1;
  return { ...checked, bags, results: checked.inverse?.length ?? bags };
}

function uneven(name: string, results: number, candidates: number): FlexemrError {
  const message = `${name}: ${results} results, but the request has ${candidates} candidates; give a result for each, or one for all`;
  return new FlexemrError('INVALID_BAGS', message, { field: name, value: results });
}
