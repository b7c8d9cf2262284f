// Whatever happens to a log of row updates, the rows of a node become those of its batches, bit for bit.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { FlexemrError } from '../../src/errors.ts';
import type { LoadedReleases } from '../../src/host/loaded-releases.ts';
import { dtypes } from '../../src/kernel/dtype.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { NodeUpdates } from '../../src/memory-node/node-updates.ts';
import { WorkerGate } from '../../src/memory-node/worker-gate.ts';
import { makeGate } from '../../src/memory-node/write-gate.ts';
import { RowsWriterGate } from '../../src/memory-node/writer-gate.ts';
import { numberedShards, type PlannedTable } from '../../src/plan/routing-table.ts';
import { spareRowsMin } from '../../src/update-limits.ts';
import { type BatchRows, writeBatch } from '../../src/updates/batch.ts';
import { genesis } from '../../src/updates/chain.ts';
import { endOf } from '../../src/updates/chain-end.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { AddedBatch, LoggedBatch, UpdateLog } from '../../src/updates/update-log.ts';
import { EXCEPTION_POSITION_MASK, HEADER_BYTES, SEQUENCE_BYTES } from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import { MemoryLog } from '../32.updates/memory-log.ts';
import { Cluster } from '../cluster.ts';
import { refused } from '../refusal.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';
import { lookupFrame, replyOf } from './lookups.ts';
import { UpdatedOracle } from './updated-oracle.ts';
import { updatedReleases } from './updated-releases.ts';

const [rowCount, dim] = [12, 5];
const padding = 3n;
/** Ids that are there at first, the padding id among them, and others. */
const idOf = (place: number): bigint => (place === 3 ? padding : BigInt(place) * 0x1234_5678_9abcn);

const given: GivenTable[] = dtypes.flatMap((dtype) =>
  [false, true].map((indexed) => ({
    spec: {
      ...({ name: `${dtype}${indexed ? '-ids' : ''}`, rows: rowCount, dim, mode: 'sum', dtype } as const),
      ...(indexed && ({ missing: 'default', defaultRow: [1, 2, 3, 4, 5], padding } as const)),
    },
    rows: Float32Array.from({ length: rowCount * dim }, (_, i) => i - 7),
    ids: indexed ? BigUint64Array.from({ length: rowCount }, (_, place) => idOf(place)) : undefined,
  })),
);

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    ...{ tables: given, nodes: 1, ports: false, digests: true },
    split: (tables: readonly PlannedTable[], [node]: readonly string[]): PlannedTable[] =>
      tables.map((table) => {
        const end = table.indexed ? 2 ** 32 : table.spec.rows;
        return { ...table, updates: true, shards: [{ node, begin: 0, end }] };
      }),
  });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A log that can be away, for one node. */
class FarLog implements UpdateLog {
  isAway = false;
  readonly #log: MemoryLog;

  constructor(log: MemoryLog) {
    this.#log = log;
  }

  get #near(): MemoryLog {
    if (this.isAway) throw new FlexemrError('UNAVAILABLE', 'the log is away');
    return this.#log;
  }

  async incarnation(): Promise<number> {
    return await this.#near.incarnation();
  }

  async next(chain: string, after: number): Promise<LoggedBatch | undefined> {
    return await this.#near.next(chain, after);
  }

  async last(chain: string): Promise<LoggedBatch | undefined> {
    return await this.#near.last(chain);
  }

  async append(): Promise<undefined> {}

  listen(chain: string, onAdded: (added: AddedBatch) => void): () => void {
    return this.#log.listen(chain, onAdded);
  }

  async close(): Promise<void> {}
}

interface Said {
  readonly level: string;
  readonly message: string;
}

/** A node with one worker, which follows a log. */
class UpdatedNode {
  readonly node: MemoryNode;
  readonly said: Said[] = [];
  updates: NodeUpdates;
  readonly #log: UpdateLog;
  readonly #releases: LoadedReleases;
  readonly #gate: RowsWriterGate;

  static async start(log: UpdateLog): Promise<UpdatedNode> {
    const releases = updatedReleases();
    const plan = await releases.load({ routing: cluster.routing, tables: cluster.file });
    const gate = makeGate(1);
    const node = new MemoryNode('n0', [], { gate: new WorkerGate(gate, 0) });
    const [hosting] = releases.hostings(plan);
    node.host(hosting);
    const updated = new UpdatedNode(node, log, releases, new RowsWriterGate(gate));
    await updated.updates.host(releases.updatesOf(releases.plans));
    return updated;
  }

  private constructor(node: MemoryNode, log: UpdateLog, releases: LoadedReleases, gate: RowsWriterGate) {
    this.node = node;
    this.#log = log;
    this.#releases = releases;
    this.#gate = gate;
    this.updates = this.#make();
  }

  #make(): NodeUpdates {
    const say = (level: string) => (_: object, message: string) => void this.said.push({ level, message });
    const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
    return new NodeUpdates(this.#log, this.#gate, (chain) => this.#releases.reload(chain), log);
  }

  /** Another thread takes over. */
  async replace(): Promise<void> {
    await this.updates.close();
    this.updates = this.#make();
    await this.updates.host(this.#releases.updatesOf(this.#releases.plans));
  }

  /** The row of each key, as it is stored; and the number that the reply names. Undefined: the rows are not answered. */
  async read(
    table: string,
    keys: readonly bigint[],
  ): Promise<{ rows: (Uint8Array | undefined)[]; number: bigint } | undefined> {
    const frame = lookupFrame(cluster.routing, table, keys, { fetch: true, missing: 'skip' });
    const reply = new Reply((await replyOf(this.node, frame)).slice());
    if (reply.error?.code === 'UNAVAILABLE') return undefined;
    expect(reply.error).toBeUndefined();
    const absent = new Set(Array.from(reply.exceptions, (entry) => entry & EXCEPTION_POSITION_MASK));
    const sequence = reply.bytes.length - reply.exceptionCount * 4 - SEQUENCE_BYTES;
    const number = new DataView(reply.bytes.buffer).getBigUint64(sequence + 4, true);
    const stride = this.#strideOf(table);
    const rows = keys.map((_, i) =>
      absent.has(i)
        ? undefined
        : reply.bytes.slice(HEADER_BYTES + i * stride, HEADER_BYTES + (i + 1) * stride),
    );
    return { rows, number };
  }

  /** Only some chains are followed from now on. */
  async keep(isKept: (chain: string) => boolean): Promise<void> {
    const hosting = this.#releases.updatesOf(this.#releases.plans);
    await this.updates.host({ ...hosting, shards: hosting.shards.filter(({ chain }) => isKept(chain)) });
  }

  #strideOf(table: string): number {
    const i = given.findIndex(({ spec }) => spec.name === table);
    return this.#releases.updatesOf(this.#releases.plans).shards[i].rows.rowBytes;
  }
}

const chains = (): { readonly chain: string; readonly table: GivenTable }[] =>
  numberedShards(cluster.routing).map((shard, i) => ({ chain: chainName(shard), table: given[i] }));

function oracleOf({ spec, ids, rows }: GivenTable): UpdatedOracle {
  const { dtype = 'f32' } = spec;
  const all = Array.from({ length: rowCount }, (_, i) => {
    return [ids?.[i] ?? BigInt(i), rows.subarray(i * dim, (i + 1) * dim) as Float32Array] as const;
  });
  // The row of the padding id is never read, and nobody can write it.
  const own = ids ? all.filter(([key]) => key !== padding) : all;
  return new UpdatedOracle(
    { dtype, dim, indexed: ids !== undefined },
    own,
    ids ? spareRowsMin + 1 : 0,
    ids && padding,
  );
}

/** Waits until the node answers all tables with what the log has, then compares every row. */
async function assertUpdated(
  node: UpdatedNode,
  log: MemoryLog,
): Promise<{ written: number; refused: number }> {
  const seen = { written: 0, refused: 0 };
  // A fork whose numbers are those of the rows is noticed by the next check.
  await vi.advanceTimersByTimeAsync(3_000);
  for (const { chain, table } of chains()) {
    const oracle = oracleOf(table);
    const keys = new Set(
      [...oracle.rows.keys(), ...Array.from({ length: 40 }, (_, i) => idOf(i))].filter((key) =>
        table.ids ? key !== padding : key < rowCount,
      ),
    );
    const end = (await endOf(log, chain, log.made))?.position;
    let position = genesis(log.made);
    for (const { logged } of log.messages.filter((message) => message.chain === chain)) {
      const { batch } = logged;
      if (batch.position.incarnation !== log.made) continue;
      if (batch.previous !== position.digest || batch.position.number !== position.number + 1n) continue;
      position = batch.position;
      oracle.apply(batch);
      for (const key of [...batch.keys, ...batch.deletes])
        if (table.ids ? key !== padding : key < rowCount) keys.add(key);
    }
    expect(position).toEqual(end ?? genesis(log.made));
    const listed = [...keys];
    const got = await eventually(async () => {
      const read = await node.read(table.spec.name, listed);
      return read?.number === position.number ? read : undefined;
    });
    expect(got.rows, table.spec.name).toEqual(listed.map((key) => oracle.rows.get(key)));
    seen.written += oracle.written;
    seen.refused += oracle.refused;
  }
  return seen;
}

async function eventually<T>(read: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 4_000; tries++) {
    const got = await read();
    if (got !== undefined) return got;
    await vi.advanceTimersByTimeAsync(50);
    await new Promise((turn) => setImmediate(turn));
  }
  throw new Error('the node did not follow the log');
}

const numbers = fc.oneof(
  { weight: 40, arbitrary: fc.float({ noNaN: true, min: -60_000, max: 60_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 3e38, 70_000, -0) },
);
const rowsOf = (keys: readonly bigint[]): fc.Arbitrary<Float32Array> =>
  fc
    .array(numbers, { minLength: keys.length * dim, maxLength: keys.length * dim })
    .map((values) => Float32Array.from(values));
const keyOf = (indexed: boolean): fc.Arbitrary<bigint> =>
  indexed
    ? fc.nat({ max: 39 }).map(idOf)
    : fc
        .oneof(
          { weight: 30, arbitrary: fc.nat({ max: rowCount - 1 }) },
          { weight: 1, arbitrary: fc.constant(rowCount) },
        )
        .map(BigInt);
const batchOf = (indexed: boolean): fc.Arbitrary<BatchRows> =>
  fc.uniqueArray(keyOf(indexed), { maxLength: 10 }).chain((all) => {
    const split = fc.nat({ max: indexed ? all.length : 0 });
    return split.chain((deletes) =>
      rowsOf(all.slice(deletes)).map((rows) => ({
        keys: BigUint64Array.from(all.slice(deletes)),
        deletes: BigUint64Array.from(all.slice(0, deletes)),
        rows,
      })),
    );
  });

const empty: BatchRows = {
  ...{ keys: new BigUint64Array(), deletes: new BigUint64Array() },
  rows: new Float32Array(),
};

/** Adds a batch to the end of a chain. */
async function addNext(log: MemoryLog, chain: string, batch: BatchRows): Promise<void> {
  const end = (await endOf(log, chain, log.made)) ?? { sequence: 0, position: genesis(log.made) };
  await log.append(chain, writeBatch(batch, end, 1).bytes, end.sequence);
}

/** Adds a batch to a chain whose writer does not know yet that the log was made anew. @param after number of the batch before it */
async function addLate(log: MemoryLog, chain: string, after: bigint): Promise<void> {
  const sequence = (await log.last(chain))?.sequence ?? 0;
  const position = { incarnation: log.made + 1000, number: after, digest: after };
  await log.append(chain, writeBatch(empty, { position, sequence }, 1).bytes, sequence);
}

const step = fc.oneof(
  {
    weight: 20,
    arbitrary: fc
      .nat({ max: given.length - 1 })
      .chain((table) =>
        batchOf(given[table].ids !== undefined).map((batch) => ({ kind: 'write', table, batch }) as const),
      ),
  },
  { weight: 4, arbitrary: fc.nat({ max: 4 }).map((count) => ({ kind: 'lose', count }) as const) },
  { weight: 3, arbitrary: fc.constant({ kind: 'clear' } as const) },
  {
    weight: 1,
    arbitrary: fc
      .record({ table: fc.nat({ max: given.length - 1 }), number: fc.bigInt({ min: 0n, max: 3n }) })
      .map((late) => ({ kind: 'late', ...late }) as const),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'replace' } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: 'away' } as const) },
  { weight: 6, arbitrary: fc.constant({ kind: 'wait' } as const) },
);

test('rows become those of the batches in the log, whatever the log loses and whoever writes them', async () => {
  const seen = { written: 0, refused: 0, reloads: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const log = new MemoryLog();
      const far = new FarLog(log);
      const node = await UpdatedNode.start(far);
      try {
        for (const each of steps) {
          if (each.kind === 'write') await addNext(log, chains()[each.table].chain, each.batch);
          else if (each.kind === 'lose') log.lose(Math.min(each.count, log.messages.length));
          else if (each.kind === 'clear') log.clear();
          else if (each.kind === 'late') await addLate(log, chains()[each.table].chain, each.number);
          else if (each.kind === 'replace') await node.replace();
          else if (each.kind === 'away') far.isAway = !far.isAway;
          else await vi.advanceTimersByTimeAsync(2_000);
        }
        far.isAway = false;
        const { written, refused } = await assertUpdated(node, log);
        seen.written += written;
        seen.refused += refused;
        seen.reloads += node.updates.stats.reloads;
      } finally {
        await node.updates.close();
      }
    }),
    { numRuns: runs.updatedNodes },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
});

test('new ids get rows as long as there are spare ones, and rows of ids that are gone', async () => {
  const log = new MemoryLog();
  const node = await UpdatedNode.start(log);
  const write = async (table: number, keys: readonly bigint[], deletes: readonly bigint[]): Promise<void> => {
    const rows = Float32Array.from({ length: keys.length * dim }, (_, i) => i % 1000);
    const batch = { keys: BigUint64Array.from(keys), deletes: BigUint64Array.from(deletes), rows };
    await addNext(log, chains()[table].chain, batch);
  };
  const many = (first: number, count: number): bigint[] =>
    Array.from({ length: count }, (_, i) => BigInt(first + i));
  try {
    for (const [table, { ids }] of given.entries()) {
      if (ids === undefined) continue;
      await write(table, many(1_000, spareRowsMin), []);
      // One row is free. These are too many, so the whole batch changes nothing.
      await write(table, many(5_000, 2), []);
      await write(table, many(6_000, 1), []);
      // None is free, but those of this batch are.
      await write(table, many(7_000, 100), many(1_000, 100));
      await write(table, many(9_000, 101), many(7_000, 100));
    }
    const indexed = given.filter(({ ids }) => ids !== undefined).length;
    expect(await assertUpdated(node, log)).toEqual({ written: 3 * indexed, refused: 2 * indexed });
    expect(node.updates.stats).toMatchObject({ applied: 3 * indexed, refused: 2 * indexed });
  } finally {
    await node.updates.close();
  }
});

test('a node begins although its log has a batch from before it was made anew', async () => {
  const log = new MemoryLog();
  for (const { chain } of chains()) await addLate(log, chain, 1n);
  const node = await UpdatedNode.start(log);
  await node.updates.caughtUp();
  const { skipped, reloads } = node.updates.stats;
  expect({ skipped, reloads }).toEqual({ skipped: given.length, reloads: 0 });
  await node.updates.close();
});

test('a shard that could not catch up has caught up once it has what the log has', async () => {
  const log = new MemoryLog();
  const [{ chain }] = chains();
  for (let i = 0; i < 2; i++) await addNext(log, chain, empty);
  log.forget(1);
  const node = await UpdatedNode.start(log);
  expect(await refused(() => node.updates.caughtUp())).toMatchObject({ code: 'CONFLICT' });
  log.clear();
  await eventually(() =>
    node.updates.caughtUp().then(
      () => true,
      () => undefined,
    ),
  );
  await node.updates.close();
});

test('a shard goes although another one always has batches', async () => {
  const [gone, busy] = chains();
  const log = new MemoryLog();
  const next = log.next.bind(log);
  let isOver = false;
  log.next = async (chain, after) => {
    await new Promise((turn) => setImmediate(turn));
    const found = await next(chain, after);
    if (found !== undefined || chain !== busy.chain || isOver) return found;
    await addNext(log, chain, empty);
    return await next(chain, after);
  };
  const node = await UpdatedNode.start(log);
  await eventually(async () => (log.messages.length > 3 ? true : undefined));
  await node.keep((chain) => chain !== gone.chain);
  isOver = true;
  await node.updates.close();
});
