// The rows of a whole table after the batches of its shards, as changes of the rows in its file.
import { numberedShards, type PlannedTable } from '../plan/routing-table.ts';
import { spareRows } from '../plan/shard-size.ts';
import { paddingKey } from '../plan/table-spec.ts';
import { type Hasher, idHashes } from '../store/id-hashes.ts';
import { idsDtype, type LoadableTable } from '../store/load.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import { batchBytesMax, changedKeyBytes } from '../update-limits.ts';
import type { ChainEnd, ChainPosition } from '../updates/batch.ts';
import { genesis } from '../updates/chain.ts';
import { endOf } from '../updates/chain-end.ts';
import { chainName } from '../updates/chain-name.ts';
import { batchesBetween } from '../updates/chain-reader.ts';
import { type ChangedBytes, ChangedRows } from '../updates/changed-rows.ts';
import { shardOf } from '../updates/row-updates.ts';
import { type SnapshotShard, snapshotOf, snapshotShardOf } from '../updates/snapshot-state.ts';
import type { UpdateLog } from '../updates/update-log.ts';
import { ReplayedShard, type ShardIds } from './replayed-shard.ts';
import type { WriterArena } from './writer-arena.ts';

/** What it needs to replay batches. */
export interface Replaying {
  readonly log: UpdateLog;
  readonly arena: WriterArena;
  readonly hasher: Hasher;
  readonly room: ChangedBytes;
}

/** A table of a file, as it is planned. */
export interface TableInFile {
  readonly file: SafetensorsFile;
  readonly from: LoadableTable;
  readonly table: PlannedTable;
}

/** What the batches of its shards change in a table. */
export interface ReplayedTable {
  readonly rows: ChangedRows;
  /** Whether the file has a row of an id that has changed. */
  readonly isInFile: (id: bigint) => boolean;
  /** Up to which batch, by shard. Empty: it takes no updates. */
  readonly shards: readonly SnapshotShard[];
}

/** A shard, and the batches that its rows lack in the file. */
interface Behind {
  readonly chain: string;
  readonly shard: PlannedTable['shards'][number];
  readonly from: ChainEnd;
  readonly to: ChainPosition;
  /** Of a snapshot. */
  readonly rowsMax: number | undefined;
}

/** The ids of a file that batches name, and the rows of each shard. */
interface FileIds {
  readonly present: ReadonlySet<bigint>;
  readonly rows: readonly number[];
  /** Rows without the padding id. */
  readonly counts: readonly number[];
}

/** @throws CONFLICT if the log does not have all batches that follow; INVALID_ROUTING, INVALID_FILE, LIMIT_EXCEEDED; as UpdateLog */
export async function replayTable(given: TableInFile, replaying: Replaying): Promise<ReplayedTable> {
  const { table } = given;
  const { arena, room, log } = replaying;
  const rows = new ChangedRows(table.spec.dim, room);
  if (!table.updates) return { rows, isInFile: () => true, shards: [] };
  const behind = await shardsBehind(given, log);
  const ids = table.indexed ? await fileIds(given, replaying, behind) : undefined;
  const shards: SnapshotShard[] = [];
  for (const [i, { chain, shard, from, to, rowsMax }] of behind.entries()) {
    const { begin, end } = shard;
    const most = rowsMax ?? (ids === undefined ? end - begin : ids.rows[i] + spareRows(ids.rows[i]));
    const own: ShardIds | undefined = ids && {
      ...{ count: ids.counts[i], most },
      has: (id) => ids.present.has(id),
    };
    const replayed = new ReplayedShard({ table, shard }, arena, rows, own);
    let { sequence } = from;
    for await (const found of batchesBetween(log, chain, from, to)) {
      replayed.apply(found.batch);
      sequence = found.sequence;
    }
    shards.push({ chain, begin, end, at: { sequence, position: to }, rowsMax: most });
  }
  return { rows, isInFile: (id) => ids?.present.has(id) ?? true, shards };
}

/** The end of each chain is read once, so that batches that come meanwhile are left out. */
async function shardsBehind({ file, table }: TableInFile, log: UpdateLog): Promise<Behind[]> {
  const incarnation = await log.incarnation();
  const snapshot = snapshotOf(file, table);
  const behind: Behind[] = [];
  for (const planned of numberedShards({ tables: [table] })) {
    const known = snapshot && snapshotShardOf(file, snapshot, planned);
    const chain = chainName(planned);
    const start = { sequence: 0, position: genesis(incarnation) };
    const from = known !== undefined && known.at.position.number > 0n ? known.at : start;
    const to = (await endOf(log, chain, incarnation))?.position ?? start.position;
    behind.push({ chain, shard: planned.shard, from, to, rowsMax: known?.rowsMax });
  }
  return behind;
}

async function fileIds(
  { file, from, table }: TableInFile,
  { log, hasher, room }: Replaying,
  behind: readonly Behind[],
): Promise<FileIds> {
  const named = new Set<bigint>();
  for (const { chain, from: start, to } of behind)
    for await (const { batch } of batchesBetween(log, chain, start, to))
      for (const id of [...batch.keys, ...batch.deletes]) {
        if (!named.has(id)) room.take(changedKeyBytes);
        named.add(id);
      }
  const present = new Set<bigint>();
  const rows = behind.map(() => 0);
  const counts = behind.map(() => 0);
  const padding = paddingKey(table.spec, true);
  for await (const ids of idPieces(file, from))
    for (const { first, hashes } of idHashes(hasher, ids))
      for (const [i, hash] of hashes.entries()) {
        const id = ids[first + i];
        const place = shardOf(behind, hash);
        rows[place]++;
        if (id !== padding) counts[place]++;
        if (named.has(id)) present.add(id);
      }
  return { present, rows, counts };
}

/** Rows of a table that are read together. */
export function rowsAtOnce({ dim }: { readonly dim: number }): number {
  return Math.max(1, Math.floor(batchBytesMax / (dim * 4)));
}

/** The ids of a table, in pieces. */
export async function* idPieces(
  file: SafetensorsFile,
  { spec, stored }: LoadableTable,
): AsyncGenerator<BigUint64Array> {
  const { ids = '' } = stored;
  idsDtype(file, ids);
  const [count] = file.entry(ids).shape;
  const most = rowsAtOnce(spec);
  for (let first = 0; first < count; first += most)
    yield await readIdPiece(file, ids, first, Math.min(most, count - first));
}

/** @returns ids [first, first + count) of a table, as u64 */
export async function readIdPiece(
  file: SafetensorsFile,
  tensor: string,
  first: number,
  count: number,
): Promise<BigUint64Array> {
  const ids = new BigUint64Array(count);
  await file.readInto(tensor, first * 8, new Uint8Array(ids.buffer));
  return ids;
}
