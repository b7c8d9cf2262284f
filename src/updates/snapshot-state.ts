// Which batches of row updates the rows of a file have: its metadata says so. Such a file is a snapshot.
import * as v from 'valibot';
import { integer, read } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import type { NumberedShard, PlannedTable } from '../plan/routing-table.ts';
import { snapshotName } from '../store/load.ts';
import type { ChainEnd } from './batch.ts';
import { chainName } from './chain-name.ts';

const format = 'flexemr-snapshot-1';

/** A shard at the time of the snapshot. */
export interface SnapshotShard {
  /** The name of its chain. It says how the table is cut. */
  readonly chain: string;
  readonly begin: number;
  readonly end: number;
  /** The last batch that its rows have, and the sequence up to which the log was read. */
  readonly at: ChainEnd;
  /** Most rows that it can have, with those for new ids. It is the same in every snapshot: all nodes must refuse the same batches. */
  readonly rowsMax: number;
}

/** A table at the time of the snapshot. */
export interface SnapshotTable {
  readonly name: string;
  /** The digest of the rows that it was planned from. */
  readonly content?: string | undefined;
  /** Empty if it takes no updates. */
  readonly shards: readonly SnapshotShard[];
}

const decimal = v.pipe(v.string(), v.regex(/^\d{1,20}$/));
const hexadecimal = v.pipe(v.string(), v.regex(/^[\da-f]{16}$/));
const document = v.strictObject({
  format: v.literal(format),
  tables: v.array(
    v.strictObject({
      name: v.string(),
      content: v.optional(v.string()),
      shards: v.array(
        v.strictObject({
          chain: hexadecimal,
          begin: integer(0, 2 ** 32),
          end: integer(0, 2 ** 32),
          incarnation: integer(0, 2 ** 32 - 1),
          number: decimal,
          digest: hexadecimal,
          sequence: integer(0, Number.MAX_SAFE_INTEGER),
          rowsMax: integer(0, 2 ** 32),
        }),
      ),
    }),
  ),
});

/** What a snapshot says of its tables, as JSON for the metadata of its file. */
export function snapshotJson(tables: readonly SnapshotTable[]): string {
  const listed = tables.map(({ name, content, shards }) => ({
    ...{ name, content },
    shards: shards.map(({ at: { sequence, position }, ...shard }) => ({
      ...shard,
      incarnation: position.incarnation,
      number: String(position.number),
      digest: position.digest.toString(16).padStart(16, '0'),
      sequence,
    })),
  }));
  return JSON.stringify({ format, tables: listed });
}

/** A file of tables, as far as it matters here. */
export interface SnapshotFile {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What was read of files, by their metadata: it is asked for each shard. */
const known = new WeakMap<object, readonly SnapshotTable[]>();

/** What a file says of its tables. Empty if it is no snapshot. @throws INVALID_FILE */
function snapshotTables({ path, metadata }: SnapshotFile): readonly SnapshotTable[] {
  const json = metadata[snapshotName];
  if (json === undefined) return [];
  const tables = known.get(metadata) ?? parseSnapshot(json, path);
  known.set(metadata, tables);
  return tables;
}

/** @throws INVALID_FILE */
function parseSnapshot(json: string, path: string): SnapshotTable[] {
  const field = `__metadata__.${snapshotName}`;
  let given: unknown;
  try {
    given = parseJsonText(json);
  } catch (cause) {
    throw new FlexemrError('INVALID_FILE', `${path}: ${field} is not JSON`, { field, cause });
  }
  const { tables } = read(document, given, ({ path: place, value, problem }) => {
    return new FlexemrError('INVALID_FILE', `${path}: ${field}.${place}: ${problem}`, { field, value });
  });
  return tables.map(({ shards, ...table }) => ({
    ...table,
    shards: shards.map(({ incarnation, number, digest, sequence, ...shard }) => {
      const position = { incarnation, number: BigInt(number), digest: BigInt(`0x${digest}`) };
      return { ...shard, at: { sequence, position } };
    }),
  }));
}

/**
 * What a file says of a planned table, if its rows are those of the plan with updates. Undefined if it is no snapshot of them: then its
 * rows must be the planned ones. @throws INVALID_FILE
 */
export function snapshotOf(file: SnapshotFile, { spec, content }: PlannedTable): SnapshotTable | undefined {
  if (content === undefined) return undefined;
  return snapshotTables(file).find((table) => table.name === spec.name && table.content === content);
}

/** What a snapshot says of a shard of the plan. @throws INVALID_ROUTING if its table is cut elsewhere */
export function snapshotShardOf(
  { path }: SnapshotFile,
  snapshot: SnapshotTable,
  planned: Pick<NumberedShard, 'table' | 'shard'>,
): SnapshotShard {
  const chain = chainName(planned);
  const found = snapshot.shards.find((shard) => shard.chain === chain);
  if (found !== undefined) return found;
  const { table, shard } = planned;
  const message = `${path}: the snapshot of table ${snapshot.name} is cut at other places, or of another version: it has no shard [${shard.begin}, ${shard.end}) of version ${table.version}. Make a snapshot of a cluster that serves this plan`;
  throw new FlexemrError('INVALID_ROUTING', message, { field: 'tables', value: snapshot.name });
}
