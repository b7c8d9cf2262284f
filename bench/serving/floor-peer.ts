// The floor: what the parts of a lookup cost that no system can avoid. A C program exchanges frames of the same sizes,
// and hand-written vectors with prefetch pool the same rows. Nothing is checked, routed or copied.
import { createHistogram } from 'node:perf_hooks';
import { type BagBuffers, writePoolCall } from '../../src/kernel/call.ts';
import { CALL_BYTES } from '../../src/kernel/layout.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import { HEADER_BYTES, SEGMENT_BYTES } from '../../src/wire/layout.ts';
import { Arena } from '../arena.ts';
import { type Bars, loadBars, T0_DISTANCE } from '../bars.ts';
import { Absent } from '../usage.ts';
import { EpollEcho } from './bare/epoll-racer.ts';
import type { Contender, Peer, PeerFactory, Serving } from './contender.ts';
import { ownCpuUs } from './cpu.ts';
import type { Racer, Round } from './race.ts';
import { type FeatureBags, sum, type TableShape } from './workload.ts';

export const floorPeer: PeerFactory = { name: 'floor', start };

/** Bytes for keys, offsets, weights and results, beside the rows. */
const batchBytesMax: number = 2 ** 29;

type Features = readonly FeatureBags[];

async function start({ workload, tablesFile, leftovers }: Serving): Promise<Peer> {
  const rowBytes = sum(workload.tables.map(({ rows, dim }) => rows * dim * 4 + 64));
  const arena = new Arena(rowBytes + batchBytesMax);
  const { bars, ...native } = loadBars(arena);
  if (bars === undefined) throw new Absent(`floor: ${'absent' in native ? native.absent : ''}`);
  const addresses = await load(arena, tablesFile, workload.tables);
  const echo = await EpollEcho.start(leftovers);
  const pooler = new Pooler(arena, bars, addresses);
  const contender: Contender = {
    name: 'floor: C echo + T0',
    lookup: async ({ features }) => pooler.vectors(features),
    serverPids: () => [],
    racer(batches, inFlight) {
      const all = batches.map(({ features }) => features);
      const size = {
        name: 'floor',
        requestBytes: mean(all.map(requestBytes)),
        replyBytes: mean(all.map(replyBytes)),
      };
      return floorRacer(echo.racer(size, inFlight), pooler, all, batches[0].samples);
    },
  };
  return { contenders: [contender], close: () => echo.close() };
}

async function load(arena: Arena, path: string, tables: readonly TableShape[]): Promise<Map<string, number>> {
  await using file = await SafetensorsFile.open(path);
  const listed = JSON.parse(file.metadata.tables) as { name: string; tensor: string }[];
  const addresses = new Map<string, number>();
  for (const { name, rows, dim } of tables) {
    const address = arena.allocate(rows * dim * 4);
    const tensor = listed.find((table) => table.name === name)?.tensor ?? name;
    await file.readInto(tensor, 0, arena.u8.subarray(address, address + rows * dim * 4));
    addresses.set(name, address);
  }
  return addresses;
}

/** Pools batches whose call blocks were written in advance. */
class Pooler {
  readonly #arena: Arena;
  readonly #bars: Bars;
  readonly #addresses: ReadonlyMap<string, number>;
  readonly #begin: number;

  constructor(arena: Arena, bars: Bars, addresses: ReadonlyMap<string, number>) {
    this.#arena = arena;
    this.#bars = bars;
    this.#addresses = addresses;
    this.#begin = arena.mark();
  }

  /** Replaces earlier batches. @returns a function that pools one batch per call, in turn, and where the results are */
  prepare(batches: readonly Features[]): { readonly pool: () => void; readonly outs: readonly number[] } {
    this.#arena.release(this.#begin);
    const outs = batches[0].map(({ table, offsets }) => {
      return this.#arena.allocate((offsets.length - 1) * table.dim * 4);
    });
    const lists = batches.map((features) => this.#calls(features, outs));
    let turn = 0;
    const pool = (): void =>
      this.#bars.poolAllT0(lists[turn++ % lists.length], batches[0].length, T0_DISTANCE);
    return { pool, outs };
  }

  vectors(features: Features): Float32Array[] {
    const { pool, outs } = this.prepare([features]);
    pool();
    return features.map(({ table, offsets }, i) => {
      const begin = outs[i] / 4;
      return this.#arena.f32.slice(begin, begin + (offsets.length - 1) * table.dim);
    });
  }

  /** @returns the address of a list of the addresses of call blocks */
  #calls(features: Features, outs: readonly number[]): number {
    const { u32, f32 } = this.#arena;
    const list = this.#arena.allocate(features.length * 4);
    for (const [i, { table, keys, offsets, weights }] of features.entries()) {
      const [call, keysAt, offsetsAt] = [CALL_BYTES, keys.byteLength, offsets.byteLength].map((bytes) =>
        this.#arena.allocate(bytes),
      );
      u32.set(keys, keysAt / 4);
      u32.set(offsets, offsetsAt / 4);
      const weightsAt = weights === undefined ? 0 : this.#arena.allocate(weights.byteLength);
      if (weights) f32.set(weights, weightsAt / 4);
      writePoolCall(
        u32,
        call,
        this.#shard(table),
        buffers(keys.length, keysAt, offsetsAt, weightsAt, outs[i]),
        {
          mode: table.mode === 'none' ? 'sum' : table.mode,
          ...{ partial: false, touch: false, padding: undefined, missing: 'error' },
          ...{ begin: 0, end: offsets.length - 1, firstKey: 0 },
        },
      );
      u32[list / 4 + i] = call;
    }
    return list;
  }

  #shard({ name, rows, dim }: TableShape): Parameters<typeof writePoolCall>[2] {
    const address = this.#addresses.get(name) ?? 0;
    const whole = { rowBase: 0, tableRows: rows, defaultRow: 0, last: true } as const;
    return { address, rows, dim, rowBytes: dim * 4, dtype: 'f32', finite: true, ...whole };
  }
}

function buffers(keyCount: number, keys: number, offsets: number, weights: number, out: number): BagBuffers {
  const none = { counts: 0, denominators: 0, outcomes: 0, scratch: 0 };
  return { keys, keyBytes: 4, keyCount, offsets, weights, out, ...none };
}

/** Half of a round is for the exchanges and half for the pooling. Costs of the two are added. */
function floorRacer(echo: Racer, pooler: Pooler, batches: readonly Features[], samples: number): Racer {
  let pool: (() => void) | undefined;
  return {
    name: 'floor: C echo + T0',
    async round(ms, latencies) {
      const exchanged = await echo.round(ms / 2, createHistogram());
      // The first call comes after the batches of the other sizes were measured.
      pool ??= pooler.prepare(batches).pool;
      const [begin, cpu] = [performance.now(), ownCpuUs()];
      let calls = 0;
      do {
        const start = performance.now();
        pool();
        latencies.record(Math.max(1, Math.round((performance.now() - start) * 1000)));
        calls++;
      } while (performance.now() - begin < ms / 2);
      return added(exchanged, (ownCpuUs() - cpu) / calls, (performance.now() - begin) / calls, samples);
    },
  };
}

/** @param cpuUs of the pooling of one batch @param ms of the same */
function added(exchanged: Round, cpuUs: number, ms: number, samples: number): Round {
  return {
    ...exchanged,
    items: exchanged.items * samples,
    ms: exchanged.ms + exchanged.items * ms,
    serverUs: exchanged.serverUs + exchanged.items * cpuUs,
  };
}

/** Bytes of our subrequest and reply for whole tables on one node (docs/wire.md). */
function requestBytes(features: Features): number {
  const each = features.map(({ keys, offsets, weights }) => {
    return SEGMENT_BYTES + keys.byteLength + offsets.byteLength + (weights?.byteLength ?? 0);
  });
  return HEADER_BYTES + sum(each);
}

function replyBytes(features: Features): number {
  return HEADER_BYTES + sum(features.map(({ table, offsets }) => (offsets.length - 1) * (table.dim + 1) * 4));
}

function mean(bytes: readonly number[]): number {
  return Math.round(sum(bytes) / bytes.length);
}
