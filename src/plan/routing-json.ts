import * as v from 'valibot';
import { check, httpAddress, integer, read } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import { contentDigestChars, nodeIdCharsMax, routingCharsMax } from '../limits.ts';
import { checkParts, invalidRouting } from './routing-check.ts';
import type { PlannedTable, RoutingTable } from './routing-table.ts';
import { checkTableSpec, type TableSpec } from './table-spec.ts';

const format = 'flexemr-routing-1';

const bound = integer(0, 2 ** 32);
const shard = v.strictObject({ node: v.string(), begin: bound, end: bound });

const node = v.strictObject({
  id: v.pipe(v.string(), v.nonEmpty(), v.maxLength(nodeIdCharsMax)),
  url: v.optional(httpAddress),
  bytes: v.optional(integer(0, Number.MAX_SAFE_INTEGER)),
});

// Values that JSON has no number for are stored as text: u64 ids, and three floats.
const key = v.union([
  v.number(),
  v.bigint(),
  v.pipe(
    v.string(),
    v.regex(/^-?\d{1,20}$/),
    v.transform((digits) => BigInt(digits)),
  ),
]);
const float = v.union([v.number(), v.pipe(v.picklist(['-0', 'Infinity', '-Infinity']), v.transform(Number))]);

const digest = v.pipe(
  v.string(),
  v.regex(new RegExp(`^[0-9a-f]{${contentDigestChars}}$`), `${contentDigestChars} hexadecimal digits`),
);

/** The fields of a TableSpec are beside these; `checkTableSpec` checks them. */
const table = v.looseObject({
  padding: v.optional(key),
  defaultRow: v.optional(v.array(float)),
  version: integer(1, 2 ** 32 - 1),
  indexed: v.boolean(),
  content: v.optional(digest),
  contentWhole: v.optional(digest),
  shards: v.array(shard),
});

const document = v.strictObject({
  format: v.literal(format),
  nodes: v.pipe(v.array(node), v.minLength(1)),
  tables: v.array(table),
});

/** Reads a routing table. @param file where the JSON came from, for messages @throws INVALID_ROUTING */
export function parseRouting(json: string, file = 'routing'): RoutingTable {
  check(v.string(), json, 'json', 'INVALID_ROUTING');
  check(v.string(), file, 'file');
  return readDocument(parseDocument(json, file), file);
}

/** @throws INVALID_ROUTING */
export function parseDocument(json: string, file: string): unknown {
  if (json.length > routingCharsMax) {
    const problem = `${json.length} characters of JSON; at most ${routingCharsMax} are read`;
    throw invalidRouting(file, 'length', json.length, problem);
  }
  try {
    return parseJsonText(json);
  } catch (cause) {
    throw invalidRouting(file, 'format', undefined, (cause as Error).message, { cause });
  }
}

/** Checks a routing table in its JSON form. @param specField where a table has its spec: the name is used in errors */
export function readDocument(given: unknown, file: string, specField: '' | '.spec' = ''): RoutingTable {
  const { nodes, tables } = read(document, given, ({ path, value, problem }) => {
    const field = path || 'routing';
    return invalidRouting(file, field, value, `${field}: ${problem}`);
  });
  const routing = {
    nodes,
    tables: tables.map(({ version, indexed, content, contentWhole, shards, ...spec }, i) => {
      const known = { ...(content && { content }), ...(contentWhole && { contentWhole }) };
      return { spec: checkSpec(spec, file, `tables[${i}]${specField}`), version, indexed, ...known, shards };
    }),
  };
  checkParts(routing, file);
  return routing;
}

function checkSpec(spec: unknown, file: string, field: string): TableSpec {
  try {
    return checkTableSpec(spec, field);
  } catch (cause) {
    if (!(cause instanceof FlexemrError)) throw cause;
    throw invalidRouting(file, cause.field ?? '', cause.value, cause.message, { cause });
  }
}

/**
 * Checks a routing table that a program has, in the same way as one from a file, and returns a copy.
 * @param given a RoutingTable, or what JSON.parse gives for a routing file @throws INVALID_ROUTING
 */
export function checkRouting(given: unknown, source = 'routing'): RoutingTable {
  if (!isObject(given) || 'format' in given) return readDocument(given, source);
  const { tables } = given;
  const document = { ...given, format, tables: Array.isArray(tables) ? tables.map(flat) : tables };
  return readDocument(document, source, '.spec');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** A planned table in its JSON form: the fields of its spec are beside its own fields. */
function flat(table: unknown): unknown {
  if (!isObject(table) || !isObject(table.spec)) return table;
  const { spec, ...own } = table;
  return { ...spec, ...own };
}

/**
 * A routing table as JSON for `parseRouting`. Each node, table and shard has a line, with fields in a fixed order, so
 * that plans can be compared line by line.
 * @throws INVALID_ROUTING
 */
export function routingJson(routing: RoutingTable): string {
  const { nodes, tables } = checkRouting(routing);
  const nodeLines = nodes.map(({ id, url, bytes }) => line({ id, url, bytes }));
  const head = `  "format": ${JSON.stringify(format)},\n  "nodes": ${list(nodeLines, '  ')}`;
  return `{\n${head},\n  "tables": ${list(tables.map(tableJson), '  ')}\n}\n`;
}

function tableJson({ spec, version, indexed, content, contentWhole, shards }: PlannedTable): string {
  const { name, rows, dim, mode, dtype, weighted, padding, missing, defaultRow } = spec;
  const ordered = { name, rows, dim, mode, dtype, weighted, padding, missing, defaultRow };
  const fields = line({ ...ordered, version, indexed, content, contentWhole }).slice(0, -2);
  const lines = shards.map(({ node, begin, end }) => line({ node, begin, end }));
  return `${fields},\n      "shards": ${list(lines, '      ')} }`;
}

function list(lines: readonly string[], indent: string): string {
  return lines.length === 0
    ? '[]'
    : `[\n${lines.map((text) => `${indent}  ${text}`).join(',\n')}\n${indent}]`;
}

function line(fields: object): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const parts = given.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value, writable)}`);
  return `{ ${parts.join(', ')} }`;
}

function writable(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (Object.is(value, -0)) return '-0';
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY ? String(value) : value;
}
