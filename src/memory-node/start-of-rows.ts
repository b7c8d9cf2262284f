// What the rows of a file have already when they are loaded: a snapshot has row updates, and no other file has any.
import { FlexemrError } from '../errors.ts';
import { UPDATES_BYTES } from '../kernel/answer-layout.ts';
import type { NumberedShard } from '../plan/routing-table.ts';
import { spareRows } from '../plan/shard-size.ts';
import type { Arena } from '../store/arena.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import type { ChainEnd } from '../updates/batch.ts';
import { type SnapshotShard, snapshotOf, snapshotShardOf } from '../updates/snapshot-state.ts';
import { FollowedPlace } from './followed-place.ts';
import { noUpdates } from './update-record.ts';

/** Which row updates the rows of a shard have in a file. Undefined: none. @throws INVALID_ROUTING if its table is cut elsewhere */
export function startOf(file: SafetensorsFile, planned: NumberedShard): ChainEnd | undefined {
  return shardIn(file, planned)?.at;
}

function shardIn(file: SafetensorsFile, planned: NumberedShard): SnapshotShard | undefined {
  const snapshot = planned.table.updates && snapshotOf(file, planned.table);
  return snapshot && snapshotShardOf(file, snapshot, planned);
}

/**
 * Rows for ids that come later, of an indexed shard that has so many rows in a file. A snapshot leaves as many as its table had, so that
 * all nodes refuse the same batches. @throws INVALID_ROUTING
 */
export function spareIn(file: SafetensorsFile, planned: NumberedShard, rows: number): number {
  if (!planned.table.updates) return 0;
  const rowsMax = shardIn(file, planned)?.rowsMax ?? rows + spareRows(rows);
  if (rowsMax >= rows) return rowsMax - rows;
  const message = `${file.path}: a shard of table ${planned.table.spec.name} has ${rows} rows, but the snapshot says that it can have ${rowsMax}: make the snapshot again`;
  throw new FlexemrError('INVALID_ROUTING', message, { field: 'tables', value: planned.table.spec.name });
}

/** Says in the record of a shard which row updates its rows have. Memory that was used before may hold anything. */
export function beginRecord(arena: Arena, record: number, start: ChainEnd | undefined): void {
  if (record === noUpdates) return;
  arena.words.fill(0, record >>> 2, (record + UPDATES_BYTES) >>> 2);
  if (start) new FollowedPlace(arena, record).serve(start);
}
