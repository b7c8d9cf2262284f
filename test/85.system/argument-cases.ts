// Valid arguments for everything that the entries export, from which tests make near misses. If a valid call would
// start processes or threads, the argument that it checks last is missing, so that it fails before that.
import * as component from '../../src/component.ts';
import * as edge from '../../src/edge.ts';
import * as main from '../../src/index.ts';
import * as kernels from '../../src/kernels.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import { planModel } from '../../src/model/model-plan.ts';
import { Scorer } from '../../src/scorer/scorer.ts';
import { Adder } from '../75.scorer/adder.ts';

/** A function, or a method of a class or of an object, by a name such as `Tables#lookup`. */
export interface Callable {
  readonly call: (...args: never[]) => unknown;
  readonly valid: readonly unknown[];
}

export type Entry = Readonly<Record<string, unknown>>;
export const entries: Readonly<Record<string, Entry>> = { main, edge, component, kernels };

/** The names of an entry's functions, static methods and functions of its namespaces. */
export function functionsOf(entry: Entry): string[] {
  return Object.entries(entry).flatMap(([name, value]) => {
    if (typeof value === 'function') return [name, ...methodsOf(value).map((method) => `${name}.${method}`)];
    if (typeof value !== 'object' || value === null) return [];
    return methodsOf(value).map((method) => `${name}.${method}`);
  });
}

/** The names of the own methods of an object, such as the prototype of a class. */
export function methodsOf(object: object): string[] {
  const names = Object.getOwnPropertyNames(object).filter((name) => name !== 'prototype');
  return names.filter((name) => {
    const { value, get } = Object.getOwnPropertyDescriptor(object, name) ?? {};
    // A module can export with getters.
    const exported: unknown = Symbol.toStringTag in object ? get?.() : undefined;
    return typeof (value ?? exported) === 'function' && name !== 'constructor';
  });
}

const spec = { name: 't', rows: 4, dim: 2, mode: 'sum', dtype: 'f32', padding: 0, missing: 'skip' } as const;
const stored = { name: 't', rows: 4, dim: 2, mode: 'sum', tensor: 'rows' } as const;
const rows = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const bags = { t: { keys: [1, 2, 3], offsets: [0, 2], weights: [1, 2, 3] } };
/** No server listens at this URL. */
const nodes = [{ id: 'node0', url: 'http://127.0.0.1:9', bytes: 1_000_000 }];
const tables = [{ spec, indexed: false, version: 1 }];
const { routing } = main.planSharding({ tables, nodes, split: 'auto' });
/** A URL that is refused before anything is sent, because of the password, but after all other checks. */
const refusedUrl = 'http://name:password@127.0.0.1:9/absent.safetensors';
const absent = { file: refusedUrl, list: [stored], token: 'token' };
/** The network of its model does not exist. */
const model = {
  ...{ name: 'm', version: '1', features: [{ name: 't', table: 't' }] },
  networks: [
    {
      file: 'absent.onnx',
      inputs: [
        { name: 'x', concat: ['t'] },
        { name: 'd', dense: 3 },
      ],
    },
  ],
  ...{ outputs: [{ name: 'p', from: 'logit', sigmoid: true }], score: 'p' },
} as const;
const scoring = {
  ...{ source: { specs: [spec], lookup: async () => new Map() }, denseThreads: 1, name: 'model' },
  ...{ batchCandidates: 8, batchDelay: 0, queueCandidates: 64, model },
};
const words = new Uint32Array(1024);
const shardRows = {
  ...{ address: 0, rows: 4, rowBase: 0, tableRows: 4, rowBytes: 8, dim: 2, dtype: 'f32', finite: true },
  ...{ defaultRow: 0, last: true },
} as const;
const bagBuffers = {
  ...{ keys: 0, keyBytes: 4, keyCount: 3, offsets: 0, weights: 0, out: 0, counts: 0, denominators: 0 },
  ...{ outcomes: 0, scratch: 0 },
} as const;
const poolCall = {
  ...{
    mode: 'sum',
    partial: false,
    touch: false,
    padding: 0,
    missing: 'skip',
    begin: 0,
    end: 2,
    firstKey: 0,
  },
} as const;
const mergeBuffers = {
  ...{ partials: 0, counts: 0, denominators: 0, bagNumbers: 0, out: 0, outCounts: 0, outDenominators: 0 },
};
const partial = { values: Float32Array.of(1, 2), count: 1, denominator: 0 };

const callable = (call: (...args: never[]) => unknown, ...valid: unknown[]): Callable => ({ call, valid });
const made = (make: new (...args: never[]) => unknown, ...valid: unknown[]): Callable =>
  callable((...args) => new make(...args), ...valid);

/** Functions that several entries export. */
const shared = {
  FlexemrError: made(main.FlexemrError, 'INVALID_OPTION', 'what is wrong', { field: 'field', position: 1 }),
  parseRouting: callable(main.parseRouting, main.routingJson(routing), 'plan.json'),
  fixedRouting: callable(main.fixedRouting, routing),
};
const reference = main.reference;

/** The cases of each entry, by the names that `functionsOf` returns. */
export const cases: Readonly<Record<string, Readonly<Record<string, Callable>>>> = {
  main: {
    ...shared,
    openClusterSource: callable(main.openClusterSource, 'plan.json'),
    fileRouting: callable(main.fileRouting, 'plan.json'),
    httpRouting: callable(main.httpRouting, 'http://127.0.0.1:9/plan.json', { pollMs: 100 }),
    writeRouting: callable(main.writeRouting, 'plan.json', routing),
    routingJson: callable(main.routingJson, routing),
    startLocalCluster: callable(main.startLocalCluster, {
      tables: absent,
      nodes: 1,
      split: 'row',
      workers: 1,
    }),
    loopbackCluster: callable(main.loopbackCluster, {
      tables: absent,
      nodes: 2,
      split: 'auto',
      dtype: 'f16',
    }),
    MemoryNodeHost: callable(main.MemoryNodeHost.start, {}),
    'MemoryNodeHost.start': callable(main.MemoryNodeHost.start, {
      ...{ tables: absent, routing, workers: 1, host: '127.0.0.1', port: 0, security: { token: 'secret' } },
      ...{
        allowOrigin: '*',
        allowHosts: ['name.example'],
        stuckMs: 1000,
        rdma: { gidIndex: 1 },
        insecure: false,
      },
      ...{ node: 'none of them', updates: { module: 'file:///none', data: 1 } },
    }),
    openRanker: callable(main.openRanker, {
      ...{ routing, transport: 'http', security: { token: 'secret' }, rdma: { device: 'none' } },
      nats: {
        creds: '-----BEGIN NATS USER JWT-----\n-----BEGIN USER NKEY SEED-----',
        ca: '',
        cert: '',
        key: '',
      },
      ...{
        pushDown: 'auto',
        deduplicateBags: true,
        checksums: true,
        hedge: true,
        replyBytes: 2 ** 20,
        engines: 0,
        cache: { tables: { t: 'pinned' }, admit: 'all' },
        adaptiveCache: { capacity: '1GiB', floor: '1MiB', ceiling: 2 ** 28, window: 1, candidateBytes: 10 },
        onRoutingError: () => {},
      },
    }),
    openUpdater: callable(main.openUpdater, {
      routing: 'nats://127.0.0.1:9/b',
      ...{ security: { token: 'secret' }, nats: { creds: '', ca: '', cert: '', key: '' } },
    }),
    openTables: callable(main.openTables, absent, {
      threads: 1,
      dtype: 'f16',
      tables: { t: { mode: 'max' } },
    }),
    // It has no dense network.
    openScorer: callable(main.openScorer, scoring),
    RankHost: callable(main.RankHost.start, scoring),
    'RankHost.start': callable(main.RankHost.start, {
      ...{ ...scoring, host: '127.0.0.1', port: 0, security: { token: 'secret' }, insecure: false },
      ...{ allowOrigin: '*', allowHosts: ['name.example'], stuckMs: 1000, metrics: true },
      cluster: { routing: 'plan.json', security: { token: 'secret' } },
    }),
    Tables: made(main.Tables, { threads: 2, slotBytes: 65_536, shardBytes: 4096 }),
    keyedJagged: callable(main.keyedJagged, {
      ...{
        keys: ['a', 'b'],
        values: Uint32Array.of(1, 2, 3),
        lengths: [1, 1, 1, 0],
        offsets: [0, 1, 2, 3, 3],
      },
      ...{ strides: [2, 2], weights: Float32Array.of(1, 2, 3) },
    }),
    planSharding: callable(main.planSharding, {
      ...{
        tables,
        nodes,
        split: 'auto',
        replicas: 1,
        headroom: 1,
        loads: { t: { bagsPerRequest: 1, keysPerBag: 2.5 } },
      },
    }),
    predict: callable(main.predict, routing, { t: { bagsPerRequest: 1, keysPerBag: 2.5 } }),
    SafetensorsFile: callable(main.SafetensorsFile.open, 'absent.safetensors'),
    'SafetensorsFile.open': callable(main.SafetensorsFile.open, refusedUrl, [stored], 'token'),
    writeSafetensors: callable(
      main.writeSafetensors,
      'written.safetensors',
      [{ name: 'rows', dtype: 'F32', shape: [4, 2], data: rows }],
      { tables: '[]' },
    ),
    suggestTables: callable(main.suggestTables, [
      { name: 'emb_l.0.weight', dtype: 'F32', shape: [4, 2], begin: 0, end: 32 },
    ]),
    'reference.rowBytes': callable(reference.rowBytes, 'int8', 16),
    'reference.halfToNumber': callable(reference.halfToNumber, 15_360),
    'reference.decodeRow': callable(reference.decodeRow, new Uint8Array(48), 'int8', 16, 1),
    'reference.foldSegment': callable(reference.foldSegment, 'mean', 8, [rows, rows], Float32Array.of(1, 2)),
    'reference.mergePartials': callable(reference.mergePartials, 'sqrtn', 2, [partial, partial], true),
    'reference.canonical': callable(reference.canonical, Float32Array.of(Number.NaN)),
    'reference.deduplicate': callable(reference.deduplicate, BigUint64Array.of(1n, 2n, 1n)),
    'reference.distinctBags': callable(
      reference.distinctBags,
      BigUint64Array.of(1n, 2n, 1n),
      Uint32Array.of(0, 1, 3),
      Float32Array.of(1, 2, 3),
    ),
    'reference.shardOf': callable(reference.shardOf, 5n, Uint32Array.of(3, 9), true),
    'reference.fetchesRows': callable(reference.fetchesRows, 1, 512, 4, 516),
  },
  edge: {
    ...shared,
    openRanker: callable(edge.openRanker, {
      ...{
        routing,
        token: 'secret',
        pushDown: 'never',
        cache: 'off',
        deduplicateBags: false,
        checksums: false,
        hedge: false,
        workspaceBytes: 1_000_000,
        replyBytes: 1_000_000,
      },
    }),
  },
  component: {
    FlexemrError: shared.FlexemrError,
    openComponent: callable(component.openComponent, { memoryBytes: 1_000_000 }),
  },
  kernels: {
    FlexemrError: shared.FlexemrError,
    openKernels: callable(kernels.openKernels, new WebAssembly.Memory({ initial: 4 })),
    rowBytes: callable(kernels.rowBytes, 'f16', 16),
    writePoolCall: callable(kernels.writePoolCall, words, 64, shardRows, bagBuffers, poolCall),
    writeMergeCall: callable(
      kernels.writeMergeCall,
      words,
      64,
      { bags: 2, dim: 2, mode: 'sum' },
      mergeBuffers,
    ),
  },
};

/** A scorer whose network adds. */
function scorerOf(source: main.Tables): Scorer {
  const adder = new Adder([{ inputs: { dense: [2], pooled: [1, 2] }, outputs: { logit: [] } }]);
  const plan = planModel(describeModel(adder.networks, source.specs, 'adder'), adder.networks, source.specs);
  const batching = { batchCandidates: 8, batchDelay: 0, queueCandidates: 64 };
  return new Scorer({ source, dense: adder, plan, batching, tracer: undefined, observer: undefined });
}

/** Objects that the entries' functions return, with valid arguments of their methods. */
export async function objects(file: string): Promise<readonly [object, Record<string, unknown[]>][]> {
  await main.writeSafetensors(file, [{ name: 'rows', dtype: 'F32', shape: [4, 2], data: rows }], {
    tables: JSON.stringify([stored]),
  });
  const small = new main.Tables({ slotBytes: 65_536 });
  await small.add(spec, { rows });
  const cluster = await main.loopbackCluster({ tables: file, nodes: 2, split: 'row' });
  const kept = component.openComponent({ memoryBytes: 1_000_000 });
  const rowsOf = { dtype: 'f32', dim: 2, rows } as const;
  const pooled = { keys: Uint32Array.of(1, 2), offsets: Uint32Array.of(0, 2) };
  const pooling = { mode: 'sum', padding: 0, missing: 'skip', partial: true } as const;
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), flags: 1 };
  const plain = { deadline: 1000, signal: new AbortController().signal, onMissing: 'skip', trace };
  const lookUp = [bags, { ...plain, atLeast: { t: {} } }];
  return [
    [
      small,
      {
        load: [absent, { dtype: 'f16', tables: { t: { padding: 1 } } }],
        add: [
          { ...spec, name: 'other' },
          { rows, ids: BigUint64Array.of(1n, 2n, 3n, 4n) },
        ],
        remove: ['nowhere'],
        lookup: [bags],
      },
    ],
    [
      await main.openRanker({ routing: cluster.routing, transport: cluster.transport }),
      { lookup: lookUp, observe: [() => {}], resizeCache: ['1MiB'] },
    ],
    [
      await main.SafetensorsFile.open(file),
      {
        entry: ['rows'],
        located: ['rows'],
        versionOf: ['rows'],
        read: ['rows', 'F32'],
        readInto: ['rows', 8, new Uint8Array(16)],
      },
    ],
    [
      scorerOf(small),
      {
        score: [
          { bags: { t: { keys: [1, 2], lengths: [1, 1] } }, dense: { dense: new Float32Array(4) } },
          { deadline: 1000, signal: new AbortController().signal, topK: 2, trace },
        ],
      },
    ],
    [
      await main.MemoryNodeHost.start({ tables: file, routing: cluster.routing, node: 'node0' }),
      { killWorker: [7] },
    ],
    [main.fixedRouting(routing), { read: [], watch: [() => {}, () => {}] }],
    [main.fileRouting(file), { read: [], watch: [() => {}, () => {}] }],
    [
      kept,
      {
        table: [rowsOf],
        pool: [rowsOf, pooled, pooling],
        merge: ['sum', 2, [kept.pool(rowsOf, pooled, pooling)]],
        deduplicate: [BigUint64Array.of(1n, 1n)],
        keyIndex: [16],
      },
    ],
    [kept.table(rowsOf), { pool: [pooled, pooling], gather: [Uint32Array.of(1)] }],
    [
      kept.keyIndex(16),
      {
        insert: [BigUint64Array.of(1n), Uint32Array.of(1)],
        find: [BigUint64Array.of(1n)],
        remove: [BigUint64Array.of(1n)],
      },
    ],
  ];
}

/** Methods without arguments. */
export const withoutArguments: readonly string[] = ['checkNodes', 'close', 'metrics', 'stats'];
