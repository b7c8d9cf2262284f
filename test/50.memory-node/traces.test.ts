// A node records a span for each request that carries a trace context, and for no other.
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { Listener } from '../../src/transport/listener.ts';
import { traceAt, writeTrace } from '../../src/wire/frame-trace.ts';
import * as wire from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import type { TraceContext } from '../../src/wire/trace.ts';
import { traceparentOf } from '../../src/wire/traceparent.ts';
import { anyTrace } from '../40.wire/any-trace.ts';
import { Cluster } from '../cluster.ts';
import { FakeTracer } from '../fake-tracer.ts';
import { localNode } from '../local-node.ts';
import { runs } from '../runs.ts';
import { lookupFrame, replyOf, subrequests, timeless } from './lookups.ts';
import { ids, wholeNumbers } from './whole-numbers.ts';

const tracer = new FakeTracer();
const trace: TraceContext = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), flags: 1 };

let cluster: Cluster;
let routing: RoutingTable;
let plain: MemoryNode;
let traced: MemoryNode;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1, ports: false });
  routing = cluster.routing;
  const options = { tables: cluster.file, routing, node: 'n0' };
  plain = await localNode(options);
  traced = await localNode({ ...options, tracer });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());
beforeEach(() => void tracer.spans.splice(0));

function withTrace(frame: Uint8Array, given: TraceContext | undefined): Uint8Array {
  const copy = frame.slice();
  writeTrace(new Uint32Array(copy.buffer), 0, given);
  return copy;
}

/** Answers a frame in memory of the node that its sender has written, as a network card does. */
async function replyInPlace(frame: Uint8Array): Promise<Uint8Array> {
  const lent = traced.lend(frame.length) ?? expect.fail('no memory');
  lent.bytes.set(frame);
  const inbox = traced.admitAt(lent.bytes.byteOffset, frame.length);
  if ('code' in inbox) return expect.fail(inbox.code);
  const reply = await new Promise<Uint8Array>((done) => inbox.answer((got) => done(Uint8Array.from(got))));
  inbox.release();
  lent.release();
  return reply;
}

const maybe = fc.option(anyTrace, { nil: undefined });

describe('subrequests', () => {
  test('with a context have one span; its error is that of the reply, which is the same without it', async () => {
    const ways = fc.constantFrom((frame: Uint8Array) => replyOf(traced, frame), replyInPlace);
    await fc.assert(
      fc.asyncProperty(subrequests(routing, 'n0', [...ids]), maybe, ways, async (frame, given, answer) => {
        tracer.spans.splice(0);
        const reply = await answer(withTrace(frame, given));
        expect(timeless(reply)).toEqual(timeless(await replyOf(plain, frame)));
        const words = new Uint32Array(frame.buffer);
        const segments = words[wire.SUBREQUEST_SEGMENTS >>> 2];
        const entries = Array.from(
          { length: segments },
          (_, i) => wire.HEADER_BYTES + i * wire.SEGMENT_BYTES,
        );
        const keys = entries.reduce((sum, at) => sum + words[(at + wire.SEGMENT_KEYS) >>> 2], 0);
        const attributes = { 'flexemr.node': 'n0', 'flexemr.keys': keys, 'flexemr.segments': segments };
        const code = new Reply(reply).error?.code;
        const error = code && expect.objectContaining({ code });
        const span = { name: 'answer', kind: 'server', parent: given, attributes, ends: 1, error };
        expect(tracer.spans).toEqual(given ? [expect.objectContaining(span)] : []);
      }),
      { numRuns: runs.tracedSubrequests },
    );
  });

  test('of version 1 have none', async () => {
    const frame = lookupFrame(routing, 'sum', [1]);
    new Uint32Array(frame.buffer)[wire.FRAME_VERSION >>> 2] = 1;
    expect(new Reply(await replyOf(traced, frame)).error).toBeUndefined();
    expect(tracer.spans).toEqual([]);
  });

  test('that are not frames have none, whatever they hold', async () => {
    const frame = withTrace(lookupFrame(routing, 'sum', [1]), trace);
    frame[wire.FRAME_MAGIC] ^= 1;
    expect(new Reply(await replyOf(traced, frame)).error?.code).toBe('INVALID_FRAME');
    expect(tracer.spans).toEqual([]);
  });

  test('whose bits have changed on the way have none, because their context may have changed too', async () => {
    const frame = withTrace(lookupFrame(routing, 'sum', [1]), trace);
    frame[wire.FRAME_FLAGS] |= wire.HEADER_FLAG_CHECKSUM;
    expect(new Reply(await replyOf(traced, frame)).error?.code).toBe('INVALID_FRAME');
    expect(tracer.spans).toEqual([]);
  });

  test('whose sender leaves end their span with CANCELLED', async () => {
    const keys = Array.from({ length: 400_000 }, (_, i) => i % 40);
    const frame = withTrace(lookupFrame(routing, 'int8', keys), trace);
    const inbox = traced.admit(frame.length);
    if ('code' in inbox) return expect.fail(inbox.code);
    inbox.frame.set(frame);
    inbox.answer(() => expect.fail('it is answered at once'));
    expect(tracer.spans).toMatchObject([{ ends: 0 }]);
    inbox.release();
    await new Promise(setImmediate);
    expect(tracer.spans).toMatchObject([{ parent: trace, ends: 1, error: { code: 'CANCELLED' } }]);
  });
});

test('a reply says nothing of the trace', async () => {
  const flagged = withTrace(lookupFrame(routing, 'sum', [1]), { ...trace, flags: 255 });
  expect(traceAt(new Uint32Array(flagged.buffer), 0)?.flags).toBe(255);
  const reply = new Reply(Uint8Array.from(await replyOf(traced, flagged)));
  expect(reply.flags).toBe(0);
});

describe('lookups in JSON', () => {
  let listener: Listener;
  beforeAll(async () => {
    listener = await Listener.open(traced, { host: '127.0.0.1', port: 0 });
  });
  afterAll(() => listener?.close());

  async function ask(keys: readonly number[], traceparent?: string): Promise<number> {
    const { status, body } = await fetch(`http://127.0.0.1:${listener.port}/v1/lookup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(traceparent && { traceparent }) },
      body: JSON.stringify({ bags: { sum: { keys, lengths: [keys.length] } } }),
    });
    await body?.cancel();
    return status;
  }

  test('with the header traceparent have one span', async () => {
    expect(await ask([1, 2, 3], traceparentOf(trace))).toBe(200);
    const attributes = { 'flexemr.node': 'n0', 'flexemr.keys': 3 };
    const span = { name: 'answer', kind: 'server', parent: trace, attributes, ends: 1, error: undefined };
    expect(tracer.spans).toMatchObject([span]);
  });

  test('that fail have one with the error', async () => {
    expect(await ask([1, 40], traceparentOf(trace))).toBe(422);
    expect(tracer.spans).toMatchObject([{ parent: trace, ends: 1, error: { code: 'INVALID_KEY' } }]);
  });

  test.for([undefined, '', 'nonsense', `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`])(
    'with the header %j have none, and are answered',
    async (header) => {
      expect(await ask([1], header)).toBe(200);
      expect(tracer.spans).toEqual([]);
    },
  );
});
