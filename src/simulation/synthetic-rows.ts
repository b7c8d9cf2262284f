import { kernelModule } from '../kernel/files.ts';
import { arenaPagesMax, wasmPageBytes, workerSlotBytesDefault } from '../limits.ts';
import type { HostedShard, Hosting } from '../memory-node/hosting.ts';
import { hostingsOf } from '../memory-node/hostings.ts';
import { noUpdates } from '../memory-node/update-record.ts';
import { fingerprint, planText } from '../plan/fingerprint.ts';
import { holdersOf, type NumberedShard, numberedShards, type RoutingTable } from '../plan/routing-table.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import { Store } from '../store/store.ts';
import type { Shard } from '../store/table.ts';
import * as wire from '../wire/layout.ts';

/** Rows in memory of all tables that have rows of the same kind. */
const rowsKept = 1_024;

/** Workers whose slots are in one memory. */
const workersPerMemory = Math.floor((arenaPagesMax * wasmPageBytes) / 2 / workerSlotBytesDefault);

/** What a routing table says, arranged for nodes. */
interface Served {
  readonly shards: readonly NumberedShard[];
  readonly byNode: ReadonlyMap<string, readonly NumberedShard[]>;
  readonly plan: bigint;
}

interface Placed extends Pick<Hosting, 'memories' | 'slots'> {
  readonly rows: SharedRows;
}

/**
 * Rows for tables of any size. The rows of a shard are the same few rows, over and over, so that terabytes of tables fit into
 * the memory of one process. Nodes share memories, but each worker has slots of its own.
 */
export class SyntheticRows {
  readonly #memories: SharedRows[] = [];
  readonly #hostings = new Map<number, Placed>();
  readonly #served = new Map<RoutingTable, Served>();
  #shards: readonly NumberedShard[] = [];

  /** What a worker needs to serve the shards of a node. @param slots number of its share of the memory for slots */
  hosting(routing: RoutingTable, node: string, slots: number): Hosting {
    const served = this.#served.get(routing) ?? servedBy(routing);
    this.#served.set(routing, served);
    this.#shards = served.shards;
    const { rows, ...memory } = this.#place(routing, slots);
    const shards = (served.byNode.get(node) ?? []).map((numbered) => rows.hosted(numbered));
    const plan = planText(served.plan);
    // Rankers do not read which tables a node lists.
    const description = { node, plan, tables: [] };
    return { module: kernelModule('shared'), ...memory, shards, plan: served.plan, description };
  }

  #place(routing: RoutingTable, slots: number): Placed {
    const known = this.#hostings.get(slots);
    if (known !== undefined) return known;
    const place = this.#hostings.size % workersPerMemory;
    if (place === 0) this.#memories.push(new SharedRows(routing.tables.map(({ spec }) => spec)));
    const rows = this.#memories[this.#memories.length - 1];
    const { memories, slots: ranges } = rows.slots[place];
    const fresh = { memories, slots: ranges, rows };
    this.#hostings.set(slots, fresh);
    return fresh;
  }

  /** Changes the keys of a subrequest into keys of rows that are in memory. Keys without a row stay as they are. */
  readonly fold = (frame: Uint8Array): void => {
    const words = new Uint32Array(frame.buffer, frame.byteOffset, frame.length >>> 2);
    const segments = words[wire.SUBREQUEST_SEGMENTS >>> 2];
    let at = (wire.HEADER_BYTES + segments * wire.SEGMENT_BYTES) >>> 2;
    for (let i = 0; i < segments; i++) {
      const entry = (wire.HEADER_BYTES + i * wire.SEGMENT_BYTES) >>> 2;
      const bags = words[entry + (wire.SEGMENT_BAGS >>> 2)];
      const keys = words[entry + (wire.SEGMENT_KEYS >>> 2)];
      const { shard } = this.#shards[words[entry + (wire.SEGMENT_SHARD >>> 2)]];
      const { begin, end } = shard;
      for (let key = at; key < at + keys; key++)
        if (words[key] < end) words[key] = begin + ((words[key] - begin) % rowsKept);
      const flags = bags >>> 24;
      at += keys;
      if ((flags & wire.FLAG_FETCH) === 0) at += (bags & 0xffffff) + 1;
      if ((flags & wire.FLAG_WEIGHTED) !== 0) at += keys;
    }
  };
}

function servedBy(routing: RoutingTable): Served {
  const shards = numberedShards(routing);
  const byNode = new Map<string, NumberedShard[]>(routing.nodes.map(({ id }) => [id, []]));
  for (const numbered of shards)
    for (const node of holdersOf(numbered.shard)) byNode.get(node)?.push(numbered);
  return { shards, byNode, plan: fingerprint(routing) };
}

/** One memory with rows of every kind, and the slots of some workers. */
class SharedRows {
  readonly slots: readonly Pick<Hosting, 'memories' | 'slots'>[];
  readonly #kept = new Map<string, Shard>();

  constructor(specs: readonly TableSpec[]) {
    const slotBytes = workersPerMemory * workerSlotBytesDefault;
    const store = new Store(kernelModule('shared'), { slotBytes });
    const kinds = [...new Map(specs.map((spec) => [kindOf(spec), spec])).values()];
    const expect = kinds.reduce((sum, { dim }) => sum + (rowsKept + 1) * (dim * 4 + 64), 0);
    for (const [i, { dim, dtype }] of kinds.entries()) {
      const spec = { name: `kept${i}`, rows: rowsKept, dim, mode: 'sum', dtype } as const;
      const [shard] = store.allocateShards({ ...spec, defaultRow: undefined }, { expect });
      this.#kept.set(kindOf(spec), shard);
    }
    const nothing = { module: kernelModule('shared'), shards: [], plan: 0n };
    const description = { node: '', plan: '', tables: [] };
    this.slots = hostingsOf(store, workersPerMemory, { ...nothing, description });
  }

  hosted({ number, table, shard }: NumberedShard): HostedShard {
    const { spec, version } = table;
    const kept = this.#kept.get(kindOf(spec));
    if (kept === undefined) throw new RangeError(`there are no rows for table ${spec.name}`);
    const last = shard.end === spec.rows;
    const { address } = kept.rows;
    return {
      ...{ number, version, mode: spec.mode, missing: spec.missing ?? 'error', arena: 0, index: 0 },
      padding: spec.padding === undefined ? undefined : (Number(spec.padding) + spec.rows) % spec.rows,
      rows: {
        ...kept.rows,
        ...{ rows: shard.end - shard.begin, rowBase: shard.begin, tableRows: spec.rows, last, finite: true },
        defaultRow: last && spec.defaultRow !== undefined ? address : 0,
      },
      updates: noUpdates,
      touch: false,
    };
  }
}

function kindOf({ dim, dtype = 'f32' }: Pick<TableSpec, 'dim' | 'dtype'>): string {
  return `${dtype} ${dim}`;
}
