// `POST /v1/rank`, for people: a user and candidates with their features by name.
import * as v from 'valibot';
import { integer, isObject, named, read } from '../check.ts';
import { show } from '../errors.ts';
import type { ModelSignature } from '../model/model.ts';
import { deadlineFields } from '../ranker/deadline.ts';
import type { ScoreRequest } from '../scorer/score-request.ts';
import { candidatesMax } from '../scoring-limits.ts';
import type { Slices } from '../wire/slices.ts';
import type { Place } from './failure.ts';
import { BagColumn } from './rank-bags.ts';
import { DenseColumn } from './rank-dense.ts';
import { pathOf, wrongValue } from './rank-path.ts';

const isShort = (value: unknown): boolean =>
  Array.isArray(value) && value.length >= 1 && value.length <= candidatesMax;

const callSchema = v.strictObject({
  user: v.optional(named),
  candidates: v.custom<unknown[]>(isShort, `an array of 1 to ${candidatesMax} candidates`),
  k: v.optional(integer(1, candidatesMax)),
  deadline_ms: deadlineFields.deadline,
});

type Fields = Readonly<Record<string, unknown>>;

/** A call that was read. */
export interface RankCall {
  readonly request: ScoreRequest;
  readonly candidates: number;
  /** How many candidates to list. */
  readonly k: number;
  /** Milliseconds. */
  readonly deadline: number | undefined;
  /** Where an element of the bags, which the scorer knows as `genres.keys[17]`, is in the call. */
  placeOf(field: string, position: number | undefined): Place | undefined;
}

/** Reads a call. @throws INVALID_BAGS, INVALID_KEY, INVALID_WEIGHTS */
export async function rankCall(body: unknown, signature: ModelSignature, slices: Slices): Promise<RankCall> {
  if (!isObject(body)) throw wrongValue({ field: 'body' }, `expected an object, not ${show(body)}`);
  const { user, candidates, k, deadline_ms } = read(callSchema, body, ({ path, problem }) =>
    wrongValue({ field: path }, problem),
  );
  const sources = await checkNames([user ?? {}, ...candidates], signature, slices);
  const bags = signature.features.map(({ name }) => new BagColumn(name));
  const dense = signature.dense.map(({ name, width }) => new DenseColumn(name, width));
  let each = candidates.length === 1;
  for (const column of [...bags, ...dense]) each = (await fill(column, sources, slices)) || each;
  if (!each)
    throw wrongValue({ field: 'candidates' }, 'they have nothing of their own: all of it is in user');
  return {
    request: { bags: await joined(bags, slices), dense: await joined(dense, slices) },
    candidates: candidates.length,
    k: k ?? candidates.length,
    deadline: deadline_ms,
    placeOf: (field, position) => placeOf(bags, field, position),
  };
}

/** Checks that all are objects with names of the model. @param sources the user, and each candidate */
async function checkNames(
  sources: readonly unknown[],
  { features, dense }: ModelSignature,
  slices: Slices,
): Promise<Fields[]> {
  const known = new Set([...features, ...dense].map(({ name }) => name));
  const checked: Fields[] = [];
  for (const [source, fields] of sources.entries()) {
    if (slices.over) await slices.pause();
    if (!isObject(fields))
      throw wrongValue({ field: pathOf(source) }, `expected an object, not ${show(fields)}`);
    const unknown = Object.keys(fields).find((name) => !known.has(name));
    if (unknown !== undefined) {
      const some = `${[...known].slice(0, 8).join(', ')}${known.size > 8 ? ', …' : ''}`;
      throw wrongValue({ field: pathOf(source, unknown) }, `the model has no such input; it has ${some}`);
    }
    checked.push(fields);
  }
  return checked;
}

/** Fills a column with what the user says, or with what each candidate says. @returns whether it is the candidates */
async function fill(
  column: BagColumn | DenseColumn,
  sources: readonly Fields[],
  slices: Slices,
): Promise<boolean> {
  const { name } = column;
  const isOfUser = Object.hasOwn(sources[0], name);
  if (isOfUser) await column.add(0, sources[0][name], slices);
  for (let source = 1; source < sources.length; source++) {
    if (slices.over) await slices.pause();
    const isThere = Object.hasOwn(sources[source], name);
    if (isThere === isOfUser) {
      const problem = isThere
        ? 'it is in user too; say it once'
        : 'it is missing: give it in user, or in each candidate';
      throw wrongValue({ field: pathOf(source, name) }, problem);
    }
    if (isThere) await column.add(source, sources[source][name], slices);
  }
  return !isOfUser;
}

/** What columns hold, by name. */
async function joined<T>(
  columns: readonly { readonly name: string; join(slices: Slices): Promise<T> }[],
  slices: Slices,
): Promise<Record<string, T>> {
  const all: [string, T][] = [];
  for (const column of columns) all.push([column.name, await column.join(slices)]);
  return Object.fromEntries(all);
}

function placeOf(
  columns: readonly BagColumn[],
  field: string,
  position: number | undefined,
): Place | undefined {
  const [, name, array] = /^(.*)\.(keys|weights)$/s.exec(field) ?? [];
  const column = columns.find((each) => each.name === name);
  return position === undefined ? undefined : column?.placeOf(array as 'keys' | 'weights', position);
}
