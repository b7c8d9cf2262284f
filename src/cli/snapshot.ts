import { resolve } from 'node:path';
import { FlexemrError } from '../errors.ts';
import { ClusteredUpdates } from '../host/clustered-updates.ts';
import { takeSnapshot } from '../host/take-snapshot.ts';
import { useSnapshot } from '../host/use-snapshot.ts';
import type { UpdateStream } from '../nats/update-stream.ts';
import type { SnapshotShard } from '../updates/snapshot-state.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { type TableOptions, tableSource } from './table-source.ts';

export interface SnapshotOptions extends NatsOptions, Omit<TableOptions, 'tables'> {
  readonly routing: string;
  readonly out: string;
  /** The planned tables, or a snapshot of them. Default: those that the cluster names. */
  readonly tables?: string | undefined;
  /** Nodes that start later begin with the snapshot. Text: its path or address as they see it. */
  readonly use?: true | string | undefined;
  /** Deletes the batches that the snapshot has from the stream, but for the last of each shard, which says where its chain is. */
  readonly forget?: boolean | undefined;
}

export interface SnapshotReport {
  readonly tables: number;
  readonly rows: number;
  /** Batches of row updates that the rows have. Decimal text, because JSON has no integers of 64 bits. */
  readonly batches: string;
  /** What the cluster names now as its tables. */
  readonly used?: string | undefined;
  readonly seconds: number;
}

/** `flexemr snapshot`: writes the tables as they are. @throws INVALID_OPTION; as takeSnapshot, useSnapshot */
export async function snapshot(options: SnapshotOptions): Promise<SnapshotReport> {
  const began = performance.now();
  await using updates = await ClusteredUpdates.open(options.routing, await readNats(options));
  const { serving } = (await updates.store.read()).cluster;
  const tables = options.tables ?? serving.tables;
  if (tables === undefined) throw noTables();
  const source = await tableSource({ ...options, tables });
  const { shards, ...taken } = await takeSnapshot(updates.log, serving.routing, source, options.out);
  const used = options.use === true ? resolve(options.out) : options.use;
  if (used !== undefined) await useSnapshot(updates.store, serving.routing, used);
  // Nodes that start from now on begin with the snapshot.
  if (options.forget) await forget(updates.log, shards);
  return {
    ...taken,
    batches: String(taken.batches),
    used,
    seconds: Math.round(performance.now() - began) / 1_000,
  };
}

/** @throws CONFLICT if the stream was made anew meanwhile */
async function forget(log: UpdateStream, shards: readonly SnapshotShard[]): Promise<void> {
  const incarnation = await log.incarnation();
  for (const { chain, at } of shards) {
    if (at.sequence > 0 && at.position.incarnation !== incarnation) throw madeAnew();
    await log.forget(chain, at.sequence);
  }
}

function madeAnew(): FlexemrError {
  const message =
    'the stream of row updates was made anew meanwhile, so nothing of it is deleted: make another snapshot';
  return new FlexemrError('CONFLICT', message, { field: 'forget' });
}

function noTables(): FlexemrError {
  const message = 'the cluster does not name the file of its tables: give it with --tables';
  return new FlexemrError('INVALID_OPTION', message, { field: 'tables' });
}
