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

// What JSON has no number for comes as text: u64 ids, and three floats.
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

/** The fields of a TableSpec lie beside these; `checkTableSpec` looks at them. */
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
  if (json.length > routingCharsMax) {
    const problem = `${json.length} characters of JSON; at most ${routingCharsMax} are read`;
    throw invalidRouting(file, 'length', json.length, problem);
  }
  return readDocument(parse(json, file), file);
}

function parse(json: string, file: string): unknown {
  try {
    return parseJsonText(json);
  } catch (cause) {
    throw invalidRouting(file, 'format', undefined, (cause as Error).message, { cause });
  }
}

/** Checks a routing table in the form that JSON has. */
function readDocument(given: unknown, file: string): RoutingTable {
  const { nodes, tables } = read(document, given, ({ path, value, problem }) => {
    const field = path || 'routing';
    return invalidRouting(file, field, value, `${field}: ${problem}`);
  });
  const routing = {
    nodes,
    tables: tables.map(({ version, indexed, content, contentWhole, shards, ...spec }, i) => {
      const known = { ...(content && { content }), ...(contentWhole && { contentWhole }) };
      return { spec: checkSpec(spec, file, i), version, indexed, ...known, shards };
    }),
  };
  checkParts(routing, file);
  return routing;
}

function checkSpec(spec: unknown, file: string, position: number): TableSpec {
  try {
    return checkTableSpec(spec, `tables[${position}]`);
  } catch (cause) {
    if (!(cause instanceof FlexemrError)) throw cause;
    throw invalidRouting(file, cause.field ?? '', cause.value, cause.message, { cause });
  }
}

/**
 * A copy of a routing table that a program has, checked like one from a file: a RoutingTable, or what JSON.parse makes of
 * a routing file. @throws INVALID_ROUTING
 */
export function checkRouting(given: unknown, source = 'routing'): RoutingTable {
  if (!isObject(given) || 'format' in given) return readDocument(given, source);
  const { tables } = given;
  return readDocument(
    { ...given, format, tables: Array.isArray(tables) ? tables.map(flat) : tables },
    source,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** A planned table as JSON has it: the fields of its spec beside its own. */
function flat(table: unknown): unknown {
  if (!isObject(table) || !isObject(table.spec)) return table;
  const { spec, ...own } = table;
  return { ...spec, ...own };
}

/**
 * A routing table as JSON for `parseRouting`: a line a node, table and shard, fields in order, so that plans compare.
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
