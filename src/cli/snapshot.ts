import { resolve } from 'node:path';
import { FlexemrError } from '../errors.ts';
import { ClusteredUpdates } from '../host/clustered-updates.ts';
import { takeSnapshot } from '../host/take-snapshot.ts';
import { useSnapshot } from '../host/use-snapshot.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { type TableOptions, tableSource } from './table-source.ts';

export interface SnapshotOptions extends NatsOptions, Omit<TableOptions, 'tables'> {
  readonly routing: string;
  readonly out: string;
  /** The planned tables, or a snapshot of them. Default: those that the cluster names. */
  readonly tables?: string | undefined;
  /** Nodes that start later begin with the snapshot. Text: its path or address as they see it. */
  readonly use?: true | string | undefined;
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
  const taken = await takeSnapshot(updates.log, serving.routing, source, options.out);
  const used = options.use === true ? resolve(options.out) : options.use;
  if (used !== undefined) await useSnapshot(updates.store, serving.routing, used);
  return {
    ...taken,
    batches: String(taken.batches),
    used,
    seconds: Math.round(performance.now() - began) / 1_000,
  };
}

function noTables(): FlexemrError {
  const message = 'the cluster does not name the file of its tables: give it with --tables';
  return new FlexemrError('INVALID_OPTION', message, { field: 'tables' });
}
