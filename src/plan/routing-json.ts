import * as v from 'valibot';
import { check, httpAddress, integer, read, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import { contentDigestChars, nodeIdCharsMax, routingCharsMax } from '../limits.ts';
import { replicasMax, zoneCharsMax } from '../replica-limits.ts';
import { checkParts, invalidRouting } from './routing-check.ts';
import type { PlannedTable, RoutingTable } from './routing-table.ts';
import { checkTableSpec, type TableSpec } from './table-spec.ts';

const format = 'flexemr-routing-1';
/** Has replicas or zones. Programs that do not know them refuse it by its name. */
const replicatedFormat = 'flexemr-routing-2';

const bound = integer(0, 2 ** 32);
const replicas = v.optional(v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(replicasMax - 1)));
const shard = v.strictObject({ node: v.string(), replicas, begin: bound, end: bound });

/** @internal */
export const zoneName: Schema<string> = v.pipe(v.string(), v.nonEmpty(), v.maxLength(zoneCharsMax));

const node = v.strictObject({
  id: v.pipe(v.string(), v.nonEmpty(), v.maxLength(nodeIdCharsMax)),
  url: v.optional(httpAddress),
  bytes: v.optional(integer(0, Number.MAX_SAFE_INTEGER)),
  zone: v.optional(zoneName),
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
  updates: v.optional(v.literal(true)),
  shards: v.array(shard),
});

const document = v.strictObject({
  format: v.picklist([format, replicatedFormat]),
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
  const {
    format: found,
    nodes,
    tables,
  } = read(document, given, ({ path, value, problem }) => {
    const field = path || 'routing';
    return invalidRouting(file, field, value, `${field}: ${problem}`);
  });
  const routing = {
    nodes,
    tables: tables.map(({ version, indexed, content, contentWhole, updates, shards, ...spec }, i) => {
      const digests = { ...(content && { content }), ...(contentWhole && { contentWhole }) };
      const known = { ...digests, ...(updates && { updates }) };
      return { spec: checkSpec(spec, file, `tables[${i}]${specField}`), version, indexed, ...known, shards };
    }),
  };
  checkParts(routing, file);
  if (found === format && isReplicated(routing)) {
    const problem = `format: a routing table with replicas or zones is "${replicatedFormat}"`;
    throw invalidRouting(file, 'format', found, problem);
  }
  return routing;
}

function isReplicated({ nodes, tables }: RoutingTable): boolean {
  const hasReplicas = tables.some(({ shards }) => shards.some(({ replicas }) => replicas !== undefined));
  return hasReplicas || nodes.some(({ zone }) => zone !== undefined);
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
  const document = {
    ...given,
    format: replicatedFormat,
    tables: Array.isArray(tables) ? tables.map(flat) : tables,
  };
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
  const checked = checkRouting(routing);
  const { nodes, tables } = checked;
  const nodeLines = nodes.map(({ id, url, bytes, zone }) => line({ id, url, bytes, zone }));
  const head = `  "format": ${JSON.stringify(isReplicated(checked) ? replicatedFormat : format)},\n  "nodes": ${list(nodeLines, '  ')}`;
  return `{\n${head},\n  "tables": ${list(tables.map(tableJson), '  ')}\n}\n`;
}

function tableJson({ spec, version, indexed, content, contentWhole, updates, shards }: PlannedTable): string {
  const { name, rows, dim, mode, dtype, weighted, padding, missing, defaultRow } = spec;
  const ordered = { name, rows, dim, mode, dtype, weighted, padding, missing, defaultRow };
  const fields = line({ ...ordered, version, indexed, content, contentWhole, updates }).slice(0, -2);
  const lines = shards.map(({ node, replicas, begin, end }) => line({ node, replicas, begin, end }));
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
