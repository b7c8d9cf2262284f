// Reads model.json.
import * as v from 'valibot';
import { integer, read, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import { tableNameCharsMax } from '../limits.ts';
import { denseWidthMax, modelNameCharsMax, sequenceLengthMax } from '../scoring-limits.ts';
import type { Model, ModelInput } from './model.ts';

const text = v.pipe(v.string(), v.nonEmpty(), v.maxLength(tableNameCharsMax));
/** A name that is a part of addresses. @internal */
export const modelLabel: Schema<string> = v.pipe(
  v.string(),
  v.regex(
    new RegExp(`^[\\w.-]{1,${modelNameCharsMax}}$`),
    `1 to ${modelNameCharsMax} letters, digits, - _ or .`,
  ),
);
const names = v.pipe(v.array(text), v.nonEmpty());

const kinds = {
  dense: integer(1, denseWidthMax),
  stack: names,
  concat: names,
  feature: text,
  sequence: text,
  offsets: text,
  lengths: text,
  output: text,
} as const;

const input = v.pipe(
  v.strictObject({
    name: text,
    ...v.partial(v.strictObject(kinds)).entries,
    length: v.optional(integer(1, sequenceLengthMax)),
  }),
  v.check(
    (given) => {
      const said = Object.keys(kinds).filter((kind) => given[kind as keyof typeof kinds] !== undefined);
      return said.length === 1 && (given.length === undefined || said[0] === 'sequence');
    },
    `a name and one of ${Object.keys(kinds).join(', ')}; sequence may have a length too`,
  ),
) as unknown as Schema<ModelInput>;

const document: Schema<Model> = v.strictObject({
  name: modelLabel,
  version: v.optional(modelLabel, '1'),
  features: v.array(v.strictObject({ name: text, table: text })),
  networks: v.pipe(v.array(v.strictObject({ file: text, inputs: v.array(input) })), v.nonEmpty()),
  outputs: v.pipe(
    v.array(v.strictObject({ name: text, from: v.optional(text), sigmoid: v.optional(v.boolean()) })),
    v.nonEmpty(),
  ),
  score: text,
}) as never;

/** Checks the form of a model. @param file where it came from, for messages @throws INVALID_FILE */
export function checkModel(given: unknown, file: string): Model {
  return read(document, given, ({ path, value, problem }) => {
    const message = `${file}: ${path || 'the model'}: ${problem}`;
    return new FlexemrError('INVALID_FILE', message, { field: path || 'model', value });
  });
}

/** Reads a model. @param file where the JSON came from, for messages @throws INVALID_FILE */
export function parseModel(json: string, file: string): Model {
  try {
    return checkModel(parseJsonText(json), file);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const message = `${file} is not a model: ${cause.message}`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'model', value: file, cause });
  }
}
