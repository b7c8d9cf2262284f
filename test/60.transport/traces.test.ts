// Over every transport, frames carry the context of their lookup, or of the span of their attempt.
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/index.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import { attemptsMax } from '../../src/limits.ts';
import { fixedRouting } from '../../src/plan/routing-source.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { RankerOptions } from '../../src/ranker/ranker-options.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { identityAt } from '../../src/wire/frame-identity.ts';
import { traceAt } from '../../src/wire/frame-trace.ts';
import * as wire from '../../src/wire/layout.ts';
import { errorReply } from '../../src/wire/reply.ts';
import type { TraceContext, Tracer } from '../../src/wire/trace.ts';
import { traceparentOf } from '../../src/wire/traceparent.ts';
import { anyTrace } from '../40.wire/any-trace.ts';
import { Cluster } from '../cluster.ts';
import { FakeTracer } from '../fake-tracer.ts';
import { runs } from '../runs.ts';
import { contenders } from './contenders.ts';
import { Meddler } from './meddler.ts';
import { plainProxy } from './proxies.ts';
import { refused, tables } from './rig.ts';

const bags = { sum: { keys: [1, 499], offsets: [0] }, mean: { keys: [1, 399], offsets: [0] } };
const module = kernelModule('ranker');
const load = { requestCredits: 9, replyCredits: 9, queued: 0, busyUs: 0 };

/** What the headers of the frames say that a node has got. */
const arrived = new Map<string, (TraceContext | undefined)[]>();
/** The number of frames that each node answers with NODE_FAILED, and then the others right. */
const failures = new Map<string, number>();
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({
    tables,
    nodes: 2,
    split: 'row',
    wrap: (handler, node) => {
      const meddler = new Meddler(handler);
      meddler.subrequest = (frame) => {
        const words = new Uint32Array(frame.buffer, frame.byteOffset, wire.HEADER_BYTES >>> 2);
        arrived.get(node)?.push(traceAt(words, 0));
        if (traceAt(words, 0) === undefined) expect(traceBytes(frame)).toEqual(new Uint8Array(25));
      };
      meddler.reply = (reply) => {
        const left = failures.get(node) ?? 0;
        failures.set(node, left - 1);
        const identity = identityAt(new Uint32Array(reply.buffer, 0, wire.HEADER_BYTES >>> 2), 0);
        return left > 0 ? errorReply(identity, { code: 'NODE_FAILED' }, load) : reply;
      };
      return meddler;
    },
  });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());
beforeEach(() => fail([0, 0]));

/** The bytes of a header that only a trace context uses. */
function traceBytes(frame: Uint8Array): Uint8Array {
  const ids = frame.slice(wire.SUBREQUEST_TRACE_ID, wire.FRAME_CHECKSUM);
  return Uint8Array.of(frame[wire.SUBREQUEST_TRACE_FLAGS], ...ids);
}

/** Forgets the frames that have arrived. @param counts how many of the next frames each node fails */
function fail(counts: readonly number[]): void {
  for (const [i, { id }] of cluster.routing.nodes.entries()) {
    arrived.set(id, []);
    failures.set(id, counts[i]);
  }
}

function open(transport: Transport, more: Partial<RankerOptions> = {}): Promise<Ranker> {
  return InlineRanker.open({ routing: fixedRouting(cluster.routing), transport, module, ...more });
}

const contexts = (): (TraceContext | undefined)[] => [...arrived.values()].flat();
const counts = fc.tuple(fc.nat({ max: attemptsMax - 1 }), fc.nat({ max: attemptsMax - 1 }));

const kinds = contenders.filter(({ name }) => ['loopback', 'http', 'stream', 'fetch'].includes(name));

describe.for(kinds)('$name', (of) => {
  const ranker = async (tracer?: Tracer): Promise<Ranker> => open(await of.open(cluster, {}), { tracer });

  test('the context of a lookup goes unchanged into every frame', async () => {
    const maybe = fc.option(anyTrace, { nil: undefined });
    await fc.assert(
      fc.asyncProperty(maybe, counts, async (trace, failing) => {
        fail(failing);
        await using asked = await ranker();
        await asked.lookup(bags, { trace });
        expect(contexts()).toEqual(new Array(2 + failing[0] + failing[1]).fill(trace));
      }),
      { numRuns: runs.tracedLookups },
    );
  });

  test('each attempt has a span, whose context goes into its frame', async () => {
    await fc.assert(
      fc.asyncProperty(anyTrace, fc.boolean(), counts, async (trace, isActive, failing) => {
        fail(failing);
        const tracer = new FakeTracer();
        if (isActive) tracer.current = trace;
        await using asked = await ranker(tracer);
        await asked.lookup(bags, isActive ? {} : { trace });
        const [lookup, ...attempts] = tracer.spans;
        const attributes = { 'flexemr.features': 2, 'flexemr.subrequests': 2 };
        expect(lookup).toMatchObject({
          name: 'lookup',
          parent: trace,
          attributes,
          ends: 1,
          error: undefined,
        });
        for (const [i, [node, frames]] of [...arrived].entries()) {
          const own = attempts.filter(({ attributes }) => attributes['flexemr.node'] === node);
          expect(own.map(({ context }) => context)).toEqual(frames);
          expect(own).toEqual(
            Array.from({ length: failing[i] + 1 }, (_, attempt) =>
              expect.objectContaining({
                ...{ name: 'subrequest', kind: 'client', parent: lookup.context, ends: 1 },
                attributes: expect.objectContaining({ 'flexemr.attempt': attempt + 1 }),
                error: attempt < failing[i] ? expect.objectContaining({ code: 'NODE_FAILED' }) : undefined,
              }),
            ),
          );
        }
        expect(attempts.length).toBe(contexts().length);
      }),
      { numRuns: runs.tracedLookups },
    );
  });
});

describe('spans of a lookup that fails', () => {
  test.for([
    ['at a node', bags, 'NODE_FAILED', attemptsMax],
    ['before anything is sent', { sum: { keys: [500], offsets: [0] } }, 'INVALID_KEY', 0],
  ] as const)('%s end once with the error', async ([, asked, code, attempts]) => {
    const tracer = new FakeTracer();
    await using ranker = await open(cluster.loopback(), { tracer });
    fail([attemptsMax, 0]);
    await refused(ranker.lookup(asked));
    const [lookup, ...others] = tracer.spans;
    expect(lookup).toMatchObject({ parent: undefined, ends: 1, error: { code } });
    const failed = others.filter(({ error }) => error !== undefined);
    expect(failed.map(({ ends }) => ends)).toEqual(new Array(attempts).fill(1));
  });

  test('for good end once, when its caller leaves', async () => {
    const tracer = new FakeTracer();
    const silent = { reply: new Promise<never>(() => {}), cancel: async () => {} };
    const transport: Transport = Object.assign(cluster.loopback(), {
      session: () => ({ send: () => silent, close: async () => {} }),
    });
    await using ranker = await open(transport, { tracer });
    const leave = new AbortController();
    const left = refused(ranker.lookup(bags, { signal: leave.signal }));
    leave.abort();
    await left;
    expect(
      tracer.spans.map(({ name, ends, error }) => [name, ends, (error as { code?: string }).code]),
    ).toEqual([
      ['lookup', 1, 'CANCELLED'],
      ['subrequest', 1, 'CANCELLED'],
      ['subrequest', 1, 'CANCELLED'],
    ]);
  });
});

test('a node of version 1 gets frames without a context, also if it was of version 2 at the attempt before', async () => {
  const words: number[][] = [];
  let version = wire.wireVersion;
  const loopback = cluster.loopback();
  const transport: Transport = {
    ...{ name: 'older', traffic: () => loopback.traffic(), close: () => loopback.close() },
    describe: async (url) => ({ ...(await loopback.describe(url)), wireVersions: [1, version] }),
    session: (url) => ({
      close: async () => {},
      send(outgoing) {
        const frame = new Uint32Array(outgoing.bytes >>> 2);
        outgoing.write(frame, 0, 7, false);
        words.push([...traceBytes(new Uint8Array(frame.buffer))]);
        if (version === 1) return loopback.session(url).send(outgoing);
        version = 1;
        // The node is asked again for its version.
        const gone = new FlexemrError('UNAVAILABLE', 'gone');
        return { reply: Promise.reject(gone), cancel: async () => {} };
      },
    }),
  };
  await using ranker = await open(transport);
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), flags: 1 };
  await ranker.lookup({ sum: { keys: [1], offsets: [0] } }, { trace });
  const ids = [...new Array(16).fill(0xaa), ...new Array(8).fill(0xbb)];
  expect(words).toEqual([[1, ...ids], new Array(25).fill(0)]);
});

describe('the header traceparent', () => {
  test.for(kinds.filter(({ name }) => ['http', 'fetch'].includes(name)))('is sent by $name', async (of) => {
    const [node] = cluster.nodes;
    await using proxy = await plainProxy(Number(new URL(node.url).port));
    const routing = {
      ...cluster.routing,
      nodes: cluster.routing.nodes.map((planned, i) =>
        i === 0 ? { ...planned, url: `http://127.0.0.1:${proxy.port}` } : planned,
      ),
    };
    const tracer = new FakeTracer();
    await using traced = await open(await of.open(cluster, {}), { routing: fixedRouting(routing), tracer });
    await using plain = await open(await of.open(cluster, {}), { routing: fixedRouting(routing) });
    fail([1, 0]);
    await traced.lookup(bags);
    await plain.lookup(bags);
    const frames = arrived.get('n0') as (TraceContext | undefined)[];
    expect(frames.length).toBe(3);
    expect(proxy.traceparents.filter((header) => header !== undefined)).toEqual(
      frames.slice(0, 2).map((trace) => traceparentOf(trace as TraceContext)),
    );
  });
});

describe('a context that is not valid is refused', () => {
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), flags: 1 };
  test.for([
    ['trace.traceId', { ...trace, traceId: 'A'.repeat(32) }],
    ['trace.traceId', { ...trace, traceId: '0'.repeat(32) }],
    ['trace.traceId', { ...trace, traceId: 'a'.repeat(31) }],
    ['trace.traceId', { ...trace, traceId: `${'a'.repeat(31)}\n` }],
    ['trace.spanId', { ...trace, spanId: 'b'.repeat(32) }],
    ['trace.spanId', { ...trace, spanId: '0'.repeat(16) }],
    ['trace.flags', { ...trace, flags: 256 }],
    ['trace.flags', { ...trace, flags: 0.5 }],
    ['trace.flags', { traceId: trace.traceId, spanId: trace.spanId }],
    ['trace.state', { ...trace, state: '' }],
    ['trace', traceparentOf(trace)],
  ] as const)('%s of %j', async ([field, given]) => {
    await using ranker = await open(cluster.loopback());
    const error = await refused(ranker.lookup(bags, { trace: given as TraceContext }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', field });
  });
});
