// Tables whose rows say their version and their number, and how nodes load them.
import { FlexemrError } from '../../src/errors.ts';
import type { LoadedRelease, LoadReleaseOptions, ShardReader } from '../../src/host/loaded-releases.ts';
import { UPDATES_BYTES } from '../../src/kernel/answer-layout.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import {
  bytesWithHeadroom,
  freeShard,
  hostedShard,
  type LoadedShard,
} from '../../src/memory-node/load-shards.ts';
import { noUpdates } from '../../src/memory-node/update-record.ts';
import type { PlannedTableInput } from '../../src/plan/planner.ts';
import type { NumberedShard } from '../../src/plan/routing-table.ts';
import { Store } from '../../src/store/store.ts';
import type { Table } from '../../src/store/table.ts';
import { TableBuilder } from '../../src/store/table-builder.ts';
import type { TableSource } from '../../src/store/table-file.ts';
import { FreedMemory } from './freed-memory.ts';

export const dim = 4;
/** The value of a row is its version times this, and its number. Sums of few rows are exact. */
export const versionStep = 4_096;

/** The tables of a version, as they are listed. @param updated those that take updates */
export function versioned(
  version: number,
  rows: readonly number[],
  updated: readonly number[] = [],
): PlannedTableInput[] {
  return rows.map((count, i) => ({
    spec: { name: `t${i}`, rows: count, dim, mode: 'sum' },
    version,
    content: contentOf(version, `t${i}`),
    ...(updated.includes(i) && { updates: true }),
  }));
}

/** Where the tables of a version are. */
export function pathOf(version: number): string {
  return `/tables/${version}`;
}

function contentOf(version: number, table: string): string {
  return `${version}${table.slice(1)}`.padStart(32, '0');
}

export interface VersionedOptions {
  readonly slotBytes: number;
  readonly headroom: number;
  /** How long the next shard takes to load. */
  readonly shardMs: () => number;
  /** Whether the tables cannot be read now. */
  readonly isMissing: () => boolean;
}

/** Reads rows of versions, which takes time. What is freed is overwritten. */
export class VersionedShards implements ShardReader {
  readonly module: WebAssembly.Module = kernelModule('shared');
  readonly store: Store;
  readonly spareBytes = 0;
  readonly freed: FreedMemory = new FreedMemory();
  readonly #options: VersionedOptions;

  constructor(options: VersionedOptions) {
    this.#options = options;
    this.store = new Store(this.module, { slotBytes: options.slotBytes });
    const { store, freed } = this;
    const free = store.free.bind(store);
    store.free = (extent) => {
      freed.add(extent);
      free(extent);
    };
    const allocate = store.allocate.bind(store);
    store.allocate = (...how) => {
      const extent = allocate(...how);
      freed.take(extent);
      return extent;
    };
  }

  async read(
    { routing, tables }: LoadedRelease,
    shards: readonly NumberedShard[],
    { onProgress }: LoadReleaseOptions,
  ): Promise<{ readonly loaded: readonly LoadedShard[]; readonly contents: Record<string, string> }> {
    const version = versionAt(tables);
    this.#checkThere();
    const bytesTotal = shards.reduce((sum, { shard }) => sum + (shard.end - shard.begin) * dim * 4, 0);
    const expect = bytesWithHeadroom(bytesTotal, shards.length, this.#options.headroom);
    const loaded: LoadedShard[] = [];
    try {
      for (const [table, own] of Map.groupBy(shards, (shard) => shard.table)) {
        const ranges = own.map(({ shard }) => ({ first: shard.begin, rows: shard.end - shard.begin }));
        const behind = table.updates ? UPDATES_BYTES : 0;
        const builder = new TableBuilder(this.store, table.spec, { expect, ranges, behind });
        try {
          await this.#fill(builder, version, () =>
            onProgress?.({ table: table.spec.name, bytesDone: 0, bytesTotal }),
          );
        } catch (error) {
          builder.abandon();
          throw error;
        }
        const built = builder.build();
        for (const [i, planned] of own.entries()) loaded.push(this.#loaded(planned, built, i));
      }
    } catch (error) {
      for (const shard of loaded) freeShard(this.store, shard);
      throw error;
    }
    const names = routing.tables.map(({ spec }) => spec.name);
    return { loaded, contents: Object.fromEntries(names.map((name) => [name, contentOf(version, name)])) };
  }

  #loaded(planned: NumberedShard, built: Table, i: number): LoadedShard {
    const hosted = hostedShard(this.store, planned, built, i);
    const shard = built.shards[i];
    // What is freed is overwritten.
    if (hosted.updates !== noUpdates)
      shard.arena.bytes.fill(0, hosted.updates, hosted.updates + UPDATES_BYTES);
    return { planned, hosted, extents: { shard, index: undefined } };
  }

  async #fill(builder: TableBuilder, version: number, onPiece: () => void): Promise<void> {
    await builder.fill('f32', async (first, bytes) => {
      await new Promise((done) => setTimeout(done, this.#options.shardMs()));
      this.#checkThere();
      onPiece();
      writeRows(version, first, bytes);
    });
  }

  async reload({ planned, extents: onto }: LoadedShard, tables: TableSource): Promise<undefined> {
    const builder = new TableBuilder(this.store, planned.table.spec, { behind: UPDATES_BYTES, onto });
    await this.#fill(builder, versionAt(tables), () => {});
    builder.build();
  }

  #checkThere(): void {
    if (this.#options.isMissing()) throw new FlexemrError('INVALID_FILE', 'there is no such file now');
  }
}

function versionAt(tables: TableSource): number {
  return Number((typeof tables === 'string' ? tables : tables.file).slice(pathOf(0).length - 1));
}

/** A row as it is in the file of a version. */
export function fileRow(version: number, row: number): number[] {
  return Array.from({ length: dim }, () => version * versionStep + row);
}

function writeRows(version: number, first: number, bytes: Uint8Array): void {
  const values = new Float32Array(bytes.length / 4);
  for (let i = 0; i < values.length; i++) values[i] = version * versionStep + first + Math.floor(i / dim);
  bytes.set(new Uint8Array(values.buffer));
}
