import { headroomGrowth, headroomShardBytes } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import { UPDATES_BYTES } from '../kernel/answer-layout.ts';
import { isQuantised, rowBytes } from '../kernel/dtype.ts';
import { untouchedBytesMax } from '../limits.ts';
import {
  holdersOf,
  type NumberedShard,
  numberedShards,
  type PlannedTable,
  type RoutingTable,
} from '../plan/routing-table.ts';
import { spareRows } from '../plan/shard-size.ts';
import type { RowDtype } from '../plan/table-spec.ts';
import { allocatedBytes } from '../store/free-list.ts';
import type { Hasher } from '../store/id-hashes.ts';
import { indexBytes } from '../store/key-index.ts';
import { type LoadableTable, type LoadProgress, planTables, readIds } from '../store/load.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import type { Store } from '../store/store.ts';
import type { Table } from '../store/table.ts';
import { type ShardExtents, TableBuilder } from '../store/table-builder.ts';
import type { ThreadPool } from '../store/thread-pool.ts';
import type { ChainEnd } from '../updates/batch.ts';
import { snapshotOf } from '../updates/snapshot-state.ts';
import type { HostedShard } from './hosting.ts';
import { readRows, rowsOfHashes } from './indexed-rows.ts';
import { beginRecord, spareIn, startOf } from './start-of-rows.ts';
import { noUpdates } from './update-record.ts';

export interface LoadShardsOptions extends Hasher {
  /** The shards to load, with all of those of a table that are to be loaded after each other. */
  readonly shards: readonly NumberedShard[];
  /** Threads that share the loading. */
  readonly pool: ThreadPool;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** A shard in memory. */
export interface LoadedShard {
  readonly planned: NumberedShard;
  readonly hosted: HostedShard;
  /** Its rows, and its index if it has one. */
  readonly extents: ShardExtents;
}

/** Shards of one table, and where their rows come from. */
interface Loading extends LoadShardsOptions {
  readonly store: Store;
  readonly file: SafetensorsFile;
  readonly from: LoadableTable;
  /** Bytes of all shards that are not loaded yet; the sizes of arenas depend on it. */
  readonly expect: number;
  readonly onBytes: (bytes: number) => void;
  /** A shard that is there, whose rows are replaced. */
  readonly onto?: ShardExtents | undefined;
}

/**
 * Loads shards. If one fails, none of them stays in memory.
 * @param headroom share of their bytes for which a new arena has space besides
 * @throws INVALID_ROUTING if the file holds other tables than planned; INVALID_FILE, INVALID_TABLE, OUT_OF_MEMORY
 */
export async function loadShards(
  store: Store,
  file: SafetensorsFile,
  options: LoadShardsOptions,
  headroom = 0,
): Promise<LoadedShard[]> {
  const own = options.shards;
  const starts = new Map(own.map((shard) => [shard, startOf(file, shard)]));
  const files = new Map(loadables(file, own).map((table) => [table.spec.name, table]));
  const bytesTotal = own.reduce((sum, shard) => sum + shardBytes(shard), 0);
  let expect = bytesWithHeadroom(bytesTotal, own.length, headroom);
  let bytesDone = 0;
  const loaded: LoadedShard[] = [];
  try {
    for (const [table, shards] of Map.groupBy(own, (shard) => shard.table)) {
      const from = files.get(table.spec.name);
      if (from === undefined)
        throw notAsPlanned(file, table.spec.name, 'is planned, but the file does not list it');
      const onBytes = (bytes: number): void => {
        bytesDone += bytes;
        options.onProgress?.({ table: table.spec.name, bytesDone, bytesTotal });
      };
      const load = table.indexed ? loadIndexed : loadRows;
      loaded.push(...(await load({ ...options, store, file, from, shards, expect, onBytes })));
      expect -= shards.reduce((sum, shard) => sum + shardBytes(shard), 0);
    }
    for (const { planned, hosted, extents } of loaded)
      beginRecord(extents.shard.arena, hosted.updates, starts.get(planned));
    return loaded;
  } catch (error) {
    for (const shard of loaded) freeShard(store, shard);
    throw error;
  }
}

/** Bytes of shards, and of as many others beside them. @param headroom share of their bytes */
export function bytesWithHeadroom(bytes: number, shards: number, headroom: number): number {
  return bytes + headroom * (headroomGrowth * bytes + shards * headroomShardBytes);
}

/** Frees the memory of a shard that nobody uses any more. */
export function freeShard(store: Store, { extents: { shard, index } }: LoadedShard): void {
  store.free(shard);
  if (index) store.free(index);
}

/**
 * Reads the rows of a shard again, to where they are. Nobody may read them meanwhile.
 * @returns which row updates they have; undefined: none @throws as loadShards; UNAVAILABLE
 */
export async function reloadShard(
  store: Store,
  file: SafetensorsFile,
  options: Hasher & Pick<LoadShardsOptions, 'pool'>,
  { planned, extents: onto }: LoadedShard,
): Promise<ChainEnd | undefined> {
  const shards = [planned];
  const [from] = loadables(file, shards);
  if (from === undefined) throw notAsPlanned(file, planned.table.spec.name, 'is not in the file any more');
  const loading = { ...options, store, file, from, shards, expect: 0, onBytes: () => {}, onto };
  const start = startOf(file, planned);
  await (planned.table.indexed ? loadIndexed(loading) : loadRows(loading));
  return start;
}

/** A routing table, and one of its nodes. */
export interface NodePlan {
  readonly routing: RoutingTable;
  readonly node: string;
}

/** The shards that a node holds, as their first node or as a replica. @throws INVALID_ROUTING if there is no such node */
export function ownShards({ routing, node }: NodePlan): NumberedShard[] {
  if (routing.nodes.some(({ id }) => id === node))
    return numberedShards(routing).filter(({ shard }) => holdersOf(shard).includes(node));
  const known = routing.nodes.map(({ id }) => id).join(', ');
  const message = `the routing table has no node "${node}"; its nodes are ${known}`;
  throw new FlexemrError('INVALID_ROUTING', message, { field: 'node', value: node });
}

/** The planned tables in the file, in the planned dtypes. @throws INVALID_ROUTING if they differ from the plan */
export function loadables(
  file: SafetensorsFile,
  own: readonly Pick<NumberedShard, 'table'>[],
): LoadableTable[] {
  const planned = new Map(own.map(({ table }) => [table.spec.name, table]));
  return planTables(file)
    .filter(({ spec }) => planned.has(spec.name))
    .map((found) => {
      const table = planned.get(found.spec.name);
      const { rows, dim } = found.spec;
      // Ids come and go.
      const hasRows = table?.spec.rows === rows || (table?.indexed && snapshotOf(file, table) !== undefined);
      if (!hasRows || table?.spec.dim !== dim)
        throw notAsPlanned(file, found.spec.name, `has shape [${rows}, ${dim}], not the planned shape`);
      if (isQuantised(found.source) && table.spec.dtype !== found.source)
        throw notAsPlanned(
          file,
          found.spec.name,
          `already has ${found.source} rows, not rows of the planned dtype`,
        );
      if (table.indexed !== (found.stored.ids !== undefined))
        throw notAsPlanned(
          file,
          found.spec.name,
          `is ${table.indexed ? 'not ' : ''}indexed, unlike the planned table`,
        );
      return { ...found, spec: table.spec };
    });
}

/** The error if a table of the file differs from the plan. */
export function notAsPlanned(file: SafetensorsFile, table: string, problem: string): FlexemrError {
  const message = `${file.path}: table ${table} ${problem}; to use this file, make a new plan from it (flexemr plan)`;
  return new FlexemrError('INVALID_ROUTING', message, { field: 'tables', value: table });
}

/** Bytes that a shard takes for its rows and its index. */
function shardBytes({ table, shard }: NumberedShard): number {
  const { spec, indexed } = table;
  const bytes = keptRowBytes(spec);
  if (!indexed) return (shard.end - shard.begin + 1) * bytes + behindOf(table);
  const own = Math.ceil((spec.rows * (shard.end - shard.begin)) / 2 ** 32);
  const rows = own + spareOf(table, own);
  return (rows + 1) * bytes + indexBytes(rows) + behindOf(table);
}

/** Bytes behind the rows of a shard: its update record. */
function behindOf({ updates }: PlannedTable): number {
  return updates ? UPDATES_BYTES : 0;
}

/** Rows for ids that come later. */
function spareOf({ updates }: PlannedTable, rows: number): number {
  return updates ? spareRows(rows) : 0;
}

async function loadRows(loading: Loading): Promise<LoadedShard[]> {
  const { store, file, from, shards, expect, onto } = loading;
  const behind = behindOf(shards[0].table);
  const ranges = shards.map(({ shard }) => ({ first: shard.begin, rows: shard.end - shard.begin }));
  const builder = new TableBuilder(store, from.spec, { expect, ranges, behind, onto });
  try {
    await builder.load(from.source, file.located(from.stored.tensor), loading.pool, loading.onBytes);
    const table = builder.build();
    return shards.map((shard, i) => loadedShard(store, shard, table, i));
  } catch (error) {
    builder.abandon();
    throw error;
  }
}

async function loadIndexed(loading: Loading): Promise<LoadedShard[]> {
  const { store, file, from, shards, expect, onto } = loading;
  const ids = await readIds(file, from.stored.ids ?? '');
  const loaded: LoadedShard[] = [];
  for (const shard of shards) {
    const rows = rowsOfHashes(loading, ids, shard.shard);
    const spare = spareIn(file, shard, rows.length);
    const behind = behindOf(shard.table);
    const spec = { ...from.spec, rows: rows.length + spare };
    // Rows and index must share an arena: a worker resolves and pools in one memory.
    const stored = spec.rows + Number(spec.defaultRow !== undefined);
    const bytes =
      allocatedBytes(stored * keptRowBytes(spec)) + behind + allocatedBytes(indexBytes(spec.rows));
    const beside = onto?.shard.arena ?? store.arenaWithSpace(bytes, expect);
    const builder = new TableBuilder(store, spec, {
      expect,
      ranges: [{ first: 0, rows: spec.rows }],
      ...{ beside, behind, spare, onto },
    });
    try {
      await builder.fill(from.source, async (first, bytes) => {
        // Spare rows are zeros: memory that was used before may hold anything.
        if (spare > 0) bytes.fill(0);
        await readRows(file, from.stored.tensor, rows, first, bytes);
        loading.onBytes(bytes.byteLength);
      });
      loaded.push(loadedShard(store, shard, builder.build(pick(ids, rows)), 0, spare));
    } catch (error) {
      builder.abandon();
      for (const shard of loaded) freeShard(store, shard);
      throw error;
    }
  }
  return loaded;
}

function loadedShard(store: Store, planned: NumberedShard, table: Table, i: number, spare = 0): LoadedShard {
  const { index } = table;
  if (index !== undefined && index.extent.arena !== table.shards[i].arena)
    throw new RangeError(`table ${table.spec.name}: the index of a shard is not in the memory of its rows`);
  const extents = { shard: table.shards[i], index: index?.extent };
  const hosted = { ...hostedShard(store, planned, table, i), spare };
  return { planned, hosted, extents };
}

function pick(ids: BigUint64Array | BigInt64Array, rows: Uint32Array): BigUint64Array {
  return BigUint64Array.from(rows, (row) => BigInt.asUintN(64, ids[row]));
}

function keptRowBytes({
  dtype,
  dim,
}: {
  readonly dtype?: RowDtype | undefined;
  readonly dim: number;
}): number {
  return rowBytes(dtype ?? 'f32', dim);
}

/** Describes the `i`-th shard of a loaded table to the workers. */
export function hostedShard(
  store: Store,
  { number, table }: NumberedShard,
  loaded: Table,
  i: number,
): HostedShard {
  const { arena, address, bytes, rows } = loaded.shards[i];
  const updates = table.updates ? address + bytes - UPDATES_BYTES : noUpdates;
  return {
    number,
    version: table.version,
    mode: table.spec.mode,
    missing: table.spec.missing ?? 'error',
    padding: loaded.padding,
    arena: store.arenas.indexOf(arena),
    rows,
    index: loaded.index?.extent.address ?? 0,
    updates,
    touch: bytes > untouchedBytesMax,
  };
}
