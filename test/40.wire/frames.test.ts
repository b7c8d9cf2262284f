import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { subrequestKeysMax } from '../../src/limits.ts';
import * as wire from '../../src/wire/layout.ts';
import { errorReply, Reply, type ReplyLoad, writeReplyHeader, writeReplyLoad } from '../../src/wire/reply.ts';
import { runs } from '../runs.ts';
import { readSubrequest } from './read-subrequest.ts';
import { refusalOf, refusals } from './refusals.ts';
import { frame, frameOf, guarded } from './segments.ts';

const plain = { id: 1, version: wire.wireVersion, checksum: false } as const;

/** Reads a frame that begins at word `at` between other words. */
function read(words: Uint32Array, at = 5): ReturnType<typeof readSubrequest> {
  return readSubrequest(guarded(words, at), at * 4, words.length * 4);
}

function replyOf(words: Uint32Array<ArrayBuffer>): Reply {
  return new Reply(new Uint8Array(words.buffer), () => {});
}

test('reading a reply gives what was written', () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff });
  const load = fc.record({ requestCredits: u32, replyCredits: u32, queued: u32, busyUs: u32 });
  fc.assert(
    fc.property(
      fc.array(u32, { maxLength: 9 }),
      fc.array(u32, { maxLength: 5 }),
      load,
      u32,
      (results, exceptions, reported, id) => {
        const end = wire.HEADER_BYTES + results.length * 4;
        const bytes = end + exceptions.length * 4;
        const words = new Uint32Array(bytes >>> 2);
        writeReplyHeader(words, 0, { ...plain, id }, { bytes, exceptions: exceptions.length });
        writeReplyLoad(words, 0, reported);
        words.set([...results, ...exceptions], wire.HEADER_BYTES >>> 2);
        const reply = replyOf(words);
        reply.checkLength(end, 1, exceptions.length);
        expect(reply.error).toBeUndefined();
        expect(loadOf(reply)).toEqual(reported);
        expect([...reply.counts(wire.HEADER_BYTES, results.length)]).toEqual(results);
        expect([...reply.exceptions]).toEqual(exceptions);
        expect(reply.exceptionCount).toBe(exceptions.length);
        expect(words[wire.FRAME_ID >>> 2]).toBe(id);
      },
    ),
    { numRuns: runs.frames },
  );
});

function loadOf({ requestCredits, replyCredits, queued, busyUs }: Reply): ReplyLoad {
  return { requestCredits, replyCredits, queued, busyUs };
}

test('reading an error gives what was written', () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(
      u32,
      fc.constantFrom('INVALID_KEY', 'STALE_ROUTING', 'OVERLOADED', 'LIMIT_EXCEEDED', 'NODE_FAILED'),
      fc.record({
        segment: u32,
        position: u32,
        value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        retryAfterMs: u32,
      }),
      (id, code, error) => {
        const load = { requestCredits: 3, replyCredits: 4, queued: 5, busyUs: 6 };
        const bytes = errorReply({ ...plain, id }, { code, ...error }, load);
        const reply = new Reply(bytes, () => {});
        expect(reply.error).toEqual({ code, ...error });
        expect(loadOf(reply)).toEqual(load);
        expect(new DataView(bytes.buffer).getUint32(wire.FRAME_ID, true)).toBe(id);
      },
    ),
    { numRuns: runs.frames },
  );
});

test.for([
  ['a subrequest', (words: Uint32Array) => words.fill(wire.SUBREQUEST_MAGIC, 0, 1)],
  ['half a header', (words: Uint32Array) => words.subarray(0, 15)],
  ['a length that is too large', (words: Uint32Array) => words.fill(words.length * 4 + 4, 2, 3)],
  ['a length that is too small', (words: Uint32Array) => words.fill(words.length * 4 - 4, 2, 3)],
] as const)('words that are not a whole reply are refused: %s', ([, spoil]) => {
  const words = new Uint32Array(20);
  writeReplyHeader(words, 0, plain, { bytes: 80, exceptions: 4 });
  expect(replyOf(words).error).toBeUndefined();
  const spoilt = spoil(words);
  const bytes = new Uint8Array(spoilt.buffer, 0, spoilt.byteLength);
  expect(() => new Reply(bytes, () => {})).toThrow(expect.objectContaining({ code: 'INVALID_FRAME' }));
});

describe('hostile subrequests', () => {
  const extreme = fc.constantFrom(
    0,
    1,
    2,
    0xff,
    0xffff,
    0x10001,
    2 ** 20 + 1,
    2 ** 24 - 1,
    2 ** 31,
    2 ** 32 - 1,
  );
  const word = fc.oneof(extreme, fc.integer({ min: 0, max: 0xffffffff }));
  const someFlags = fc.oneof(
    fc.nat({ max: 255 }),
    fc.constantFrom(wire.FLAG_FETCH, wire.FLAG_FETCH | wire.FLAG_WEIGHTED),
  );
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat({ max: 31 }) }),
    fc.record({ kind: fc.constant('set' as const), at: fc.nat(), word }),
    // Most errors are possible in the header and the first entries.
    fc.record({ kind: fc.constant('set' as const), at: fc.nat({ max: 31 }), word }),
    fc.record({
      kind: fc.constant('set' as const),
      at: fc.constant(wire.FRAME_VERSION >>> 2),
      word: fc.constantFrom(wire.wireVersionOldest - 1, wire.wireVersion + 1),
    }),
    fc.record({ kind: fc.constant('flags' as const), at: fc.nat({ max: 3 }), flags: someFlags }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), honest: fc.boolean() }),
    fc.record({ kind: fc.constant('grow' as const), words: fc.array(word, { minLength: 1, maxLength: 4 }) }),
  );
  type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

  function mutated(words: Uint32Array, change: Mutation): Uint32Array {
    const copy = words.slice();
    const at = 'at' in change ? change.at % words.length : 0;
    switch (change.kind) {
      case 'flip':
        copy[at] ^= 1 << change.bit;
        return copy;
      case 'set':
        copy[at] = change.word;
        return copy;
      case 'flags': {
        const bags =
          ((wire.HEADER_BYTES + change.at * wire.SEGMENT_BYTES + wire.SEGMENT_BAGS) >>> 2) % words.length;
        copy[bags] = (copy[bags] & 0xffffff) | (change.flags << 24);
        return copy;
      }
      case 'cut': {
        const short = copy.slice(0, Math.max(wire.HEADER_BYTES >>> 2, at));
        if (change.honest) short[wire.FRAME_BYTES >>> 2] = short.length * 4;
        return short;
      }
      case 'grow': {
        const long = Uint32Array.of(...copy, ...change.words);
        long[wire.FRAME_BYTES >>> 2] = long.length * 4;
        return long;
      }
    }
  }

  /** Reads a frame, and expects that all returned addresses are in the frame and in order. @returns the outcome */
  function outcomeOf(words: Uint32Array): string {
    const at = 3;
    const got = read(words, at);
    if ('code' in got) return refusalOf(got, words.length * 4, words);
    let next = at * 4 + wire.HEADER_BYTES + got.segments.length * wire.SEGMENT_BYTES;
    for (const { keys, keysAt, wide, bags, offsetsAt, weightsAt } of got.segments) {
      expect(keysAt).toBe(next);
      next += keys * (wide ? 8 : 4);
      if (bags > 0) {
        expect(offsetsAt).toBe(next);
        next += (bags + 1) * 4;
        expect(words[(offsetsAt >>> 2) - at + bags]).toBe(keys);
      } else expect(offsetsAt).toBe(0);
      if (weightsAt === 0) continue;
      expect(weightsAt).toBe(next);
      next += keys * 4;
    }
    expect(next).toBe((at + words.length) * 4);
    return 'read';
  }

  const seen = new Map<string, number>();
  const note = (words: Uint32Array): void => {
    const outcome = outcomeOf(words);
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  };

  test('changed frames are read within their bounds or refused', () => {
    fc.assert(
      fc.property(frame, fc.array(mutation, { minLength: 1, maxLength: 3 }), ({ words }, changes) => {
        note(changes.reduce(mutated, words));
      }),
      { numRuns: runs.hostileSubrequests },
    );
  });

  test('random words with a valid header are read within their bounds or refused', () => {
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 16, maxLength: 60 }),
        fc.nat({ max: 9 }),
        (chance, segments) => {
          const words = Uint32Array.from(chance);
          note(words);
          words.set([wire.SUBREQUEST_MAGIC, wire.wireVersion, words.length * 4]);
          words.fill(0, wire.SUBREQUEST_TRACE_ID >>> 2, wire.HEADER_BYTES >>> 2);
          note(words);
          words[wire.SUBREQUEST_SEGMENTS >>> 2] = segments;
          note(words);
        },
      ),
      { numRuns: runs.hostileSubrequests },
    );
  });

  test('a frame with too many keys in a valid number of bytes is refused', () => {
    const keys = new Uint32Array(subrequestKeysMax + 1);
    const fields = {
      shard: 0,
      version: 1,
      wide: false,
      partial: false,
      fetch: true,
      missing: undefined,
    } as const;
    const large = { ...fields, keys, offsets: undefined, weights: undefined };
    const words = frameOf({ ...plain, plan: 0n, timeLeftUs: 0, replyCredits: 0 }, [large]);
    expect(outcomeOf(words)).toBe('too many keys');
    note(words);
  });

  test('every kind of refusal has occurred', () => {
    const rows = ['read', ...refusals.map(({ name }) => name)].map(
      (name) => [name, seen.get(name) ?? 0] as const,
    );
    console.log(rows.map(([name, times]) => `${String(times).padStart(8)}  ${name}`).join('\n'));
    expect(rows.filter(([, times]) => times === 0).map(([name]) => name)).toEqual([]);
  });
});
