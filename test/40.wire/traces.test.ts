// Trace contexts in headers of HTTP and in frames.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { traceAt, writeTrace } from '../../src/wire/frame-trace.ts';
import * as wire from '../../src/wire/layout.ts';
import { parseTraceparent, traceparentOf } from '../../src/wire/traceparent.ts';
import { runs } from '../runs.ts';
import { anyTrace } from './any-trace.ts';

const [trace, span] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];

describe('the header traceparent', () => {
  test('is read back as it was written', () => {
    expect(traceparentOf({ traceId: trace, spanId: span, flags: 1 })).toBe(`00-${trace}-${span}-01`);
    fc.assert(
      fc.property(anyTrace, (given) => {
        expect(parseTraceparent(traceparentOf(given))).toEqual(given);
      }),
      { numRuns: runs.frames },
    );
  });

  test.for([
    [`00-${trace}-${span}-00`, 0],
    [`00-${trace}-${span}-ff`, 255],
    // Later versions may have more flags and more fields.
    [`cc-${trace}-${span}-01`, 1],
    [`cc-${trace}-${span}-fe`, 0],
    [`cc-${trace}-${span}-01-what-comes-later`, 1],
    [`cc-${trace}-${span}-01-`, 1],
  ] as const)('%s is valid', ([header, flags]) => {
    expect(parseTraceparent(header)).toEqual({ traceId: trace, spanId: span, flags });
  });

  test.for([
    ...['', 'traceparent', undefined, null, 1, [`00-${trace}-${span}-01`]],
    `ff-${trace}-${span}-01`,
    `0-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span.toUpperCase()}-01`,
    `0A-${trace}-${span}-01`,
    `00-${trace.slice(1)}-${span}-01`,
    `00-${trace}0-${span}-01`,
    `00-${trace}-${span}-1`,
    `00-${trace}-${span}-001`,
    `00-${trace}-${span}-0x`,
    `00-${trace}-${span}-01-`,
    `00-${trace}-${span}-01-more`,
    `cc-${trace}-${span}-01.more`,
    `00_${trace}_${span}_01`,
    ` 00-${trace}-${span}-01`,
    `00-${trace}-${span}-01\n`,
    // Two headers of this name.
    `00-${trace}-${span}-01, 00-${trace}-${span}-01`,
  ])('%j is ignored', (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });
});

/** The header of a frame, of random bytes except for its magic number and version. */
const headers = fc.uint8Array({ minLength: wire.HEADER_BYTES, maxLength: wire.HEADER_BYTES }).map((bytes) => {
  const view = new DataView(bytes.slice().buffer);
  view.setUint32(wire.FRAME_MAGIC, wire.SUBREQUEST_MAGIC, true);
  view.setUint16(wire.FRAME_VERSION, wire.wireVersion, true);
  return new Uint8Array(view.buffer);
});
const traceBytes = [wire.SUBREQUEST_TRACE_ID, wire.FRAME_CHECKSUM] as const;

describe('the fields of a frame', () => {
  test('are the bytes of the ids, and nothing else changes', () => {
    fc.assert(
      fc.property(headers, fc.option(anyTrace, { nil: undefined }), (header, given) => {
        const wanted = header.slice();
        wanted[wire.SUBREQUEST_TRACE_FLAGS] = given?.flags ?? 0;
        wanted.fill(0, ...traceBytes);
        wanted.set(Buffer.from(given?.traceId ?? '', 'hex'), wire.SUBREQUEST_TRACE_ID);
        wanted.set(Buffer.from(given?.spanId ?? '', 'hex'), wire.SUBREQUEST_SPAN_ID);
        const words = new Uint32Array(3 + (wire.HEADER_BYTES >>> 2));
        words.set(new Uint32Array(header.buffer), 3);
        writeTrace(words, 3, given);
        expect(new Uint8Array(words.buffer, 12)).toEqual(wanted);
        expect(traceAt(words, 3)).toEqual(given);
      }),
      { numRuns: runs.frames },
    );
  });

  test('are not read in another version or in another message', () => {
    const words = new Uint32Array(wire.HEADER_BYTES >>> 2);
    const version = wire.FRAME_VERSION >>> 2;
    words[0] = wire.SUBREQUEST_MAGIC;
    words[version] = wire.wireVersion;
    writeTrace(words, 0, { traceId: trace, spanId: span, flags: 3 });
    expect(traceAt(words, 0)).toEqual({ traceId: trace, spanId: span, flags: 3 });
    words[version] -= 1;
    expect(traceAt(words, 0)).toBeUndefined();
    words[version] += 1;
    words[0] = wire.REPLY_MAGIC;
    expect(traceAt(words, 0)).toBeUndefined();
  });
});
