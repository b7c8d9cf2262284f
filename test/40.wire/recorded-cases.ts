// The recorded subrequests: one of each kind that a ranker sends, and one of each kind that a node refuses.
import * as wire from '../../src/wire/layout.ts';
import { sealed } from './checksum-oracle.ts';
import { frameOf } from './segments.ts';
import { ids, plan } from './small-node.ts';
import type { OutgoingSegment } from './write-subrequest.ts';

/** The number of the first shard and the version of each table of the small node. */
const at = {
  sum: { shard: 0, version: 1 },
  mean: { shard: 2, version: 2 },
  sqrtn: { shard: 4, version: 3 },
  max: { shard: 6, version: 4 },
  none: { shard: 8, version: 5 },
  padded: { shard: 10, version: 6 },
  ids: { shard: 12, version: 7 },
} as const;

const plain = { wide: false, partial: false, fetch: false, missing: undefined, weights: undefined } as const;
const words = (...values: number[]): Uint32Array => Uint32Array.from(values);

/** Bags of keys for one shard. The first shard of a table has the rows 0 to 16. */
function bags(
  of: { readonly shard: number; readonly version: number },
  keys: readonly number[],
  offsets: readonly number[],
  more: Partial<OutgoingSegment> = {},
): OutgoingSegment {
  return { ...plain, ...of, keys: words(...keys), offsets: words(...offsets), ...more };
}

function rows(
  of: { readonly shard: number; readonly version: number },
  keys: readonly number[],
  more: Partial<OutgoingSegment> = {},
): OutgoingSegment {
  return { ...plain, ...of, keys: words(...keys), offsets: undefined, ...more };
}

const wideKeys = (keys: Iterable<bigint>): Uint32Array => new Uint32Array(BigUint64Array.from(keys).buffer);
/** Ids that hash to the first or to the second shard; one id occurs twice. */
const someIds = wideKeys([ids[0], ids[5], ids[0], 12345n, ids[9], ids[17], (1n << 64n) - 1n]);
const second = { shard: 13, version: 7 };

const keys = [3, 16, 0, 3, 9, 12, 1];
const offsets = [0, 3, 3, 7];
const weights = Float32Array.of(0.5, -1, 2, 1, 0.25, 3, 1);
const all = Array.from({ length: 17 }, (_, row) => row);

const answered: Record<string, OutgoingSegment[]> = {
  nothing: [],
  sum: [bags(at.sum, keys, offsets)],
  'sum-weighted': [bags(at.sum, keys, offsets, { weights })],
  'sum-wide-keys': [bags(at.sum, [], offsets, { keys: wideKeys(keys.map(BigInt)), wide: true })],
  'sum-second-shard': [bags({ ...at.sum, shard: 1 }, [17, 39, 20], [0, 1, 3], { partial: true })],
  mean: [bags(at.mean, keys, offsets)],
  'mean-partial': [bags(at.mean, keys, offsets, { partial: true })],
  'mean-weighted': [bags(at.mean, keys, offsets, { weights })],
  'mean-weighted-partial': [bags(at.mean, keys, offsets, { weights, partial: true })],
  sqrtn: [bags(at.sqrtn, keys, offsets)],
  'sqrtn-weighted-partial': [bags(at.sqrtn, keys, offsets, { weights, partial: true })],
  max: [bags(at.max, keys, offsets)],
  none: [rows(at.none, keys)],
  'none-skipped-in-last-shard': [rows({ ...at.none, shard: 9 }, [20, 39, 40, 7_000_000])],
  'padded-and-skipped': [bags({ ...at.padded, shard: 11 }, [20, 3, 39, 40, 3], [0, 2, 5], { partial: true })],
  indexed: [bags(at.ids, [], [0, 4, 7], { keys: someIds, wide: true, partial: true })],
  'indexed-skip': [bags(second, [], [0, 7], { keys: someIds, wide: true, partial: true, missing: 'skip' })],
  'fetch-f32': [rows(at.sum, all, { fetch: true })],
  'fetch-f16': [rows(at.mean, [4, 2], { fetch: true })],
  'fetch-int8': [rows(at.sqrtn, [4, 2], { fetch: true })],
  'fetch-int4': [rows(at.max, [0, 16, 5], { fetch: true })],
  'fetch-indexed': [rows(second, [], { keys: someIds, wide: true, fetch: true, missing: 'skip' })],
  several: [
    bags(at.mean, keys, offsets, { weights, partial: true }),
    rows(at.none, [1, 2]),
    bags(at.max, [5], [0, 0, 1]),
    rows(at.sqrtn, [7], { fetch: true }),
    bags(at.sum, [], [0, 0]),
  ],
};

const refused: Record<string, OutgoingSegment[]> = {
  'key-of-another-shard': [bags(at.sum, [3, 17], [0, 2])],
  'key-of-no-row': [bags({ ...at.sum, shard: 1 }, [20, 40], [0, 2])],
  'id-of-no-row': [
    bags(at.sum, [1], [0, 1]),
    bags(at.ids, [], [0, 7], { keys: someIds, wide: true, missing: 'error' }),
  ],
  'offsets-that-decrease': [bags(at.sum, keys, [0, 5, 3, 7])],
  'no-bags': [rows(at.sum, keys)],
  'weights-of-max': [bags(at.max, keys, offsets, { weights })],
  'default-without-a-row': [bags({ ...at.sum, shard: 1 }, [17], [0, 1], { missing: 'default' })],
  'narrow-ids': [bags(at.ids, keys, offsets)],
  'another-version': [bags({ ...at.sum, version: 9 }, keys, offsets)],
  'no-such-shard': [bags({ shard: 14, version: 1 }, keys, offsets)],
};

/** Later cases come at the end, because the order of the cases determines the ids of their frames. */
const later: Record<string, OutgoingSegment[]> = {
  'many-after-few': [
    rows(
      at.sqrtn,
      Array.from({ length: 80 }, (_, i) => i % 17),
      { fetch: true },
    ),
    bags(at.ids, [], [0, 90], {
      keys: wideKeys(Array.from({ length: 90 }, (_, i) => ids[i % 40])),
      wide: true,
      partial: true,
    }),
    bags(
      { ...at.padded, shard: 11 },
      Array.from({ length: 300 }, (_, i) => 17 + (i % 24)),
      [0, 299, 300],
      { partial: true },
    ),
  ],
};

/** Every case by name, as words of one wire version. Each has its own id. */
export function recordedCases(version: number): Map<string, Uint32Array<ArrayBuffer>> {
  const head = { id: 0, version, checksum: false, plan, timeLeftUs: 0, replyCredits: 64 };
  const sum = answered.sum;
  const framed = (cases: Record<string, OutgoingSegment[]>): [string, Uint32Array<ArrayBuffer>][] =>
    Object.entries(cases).map(([name, segments]) => [name, frameOf(head, segments)]);
  const spoilt = (field: number, value: number): Uint32Array<ArrayBuffer> => {
    const frame = frameOf(head, sum);
    frame[field >>> 2] = value;
    return frame;
  };
  const cases = new Map<string, Uint32Array<ArrayBuffer>>([
    ...framed(answered),
    ...framed(refused),
    ['another-plan', frameOf({ ...head, plan: plan ^ 1n }, sum)],
    ['another-magic', spoilt(wire.FRAME_MAGIC, wire.REPLY_MAGIC)],
    ['another-length', spoilt(wire.FRAME_BYTES, 64)],
    // Version 1 reserves this word; in version 2 it is part of a trace context, which changes no answer.
    ['reserved-word', spoilt(wire.SUBREQUEST_TRACE_ID, 1)],
    ['too-many-segments', spoilt(wire.SUBREQUEST_SEGMENTS, 65_537)],
    ['more-segments-than-bytes', spoilt(wire.SUBREQUEST_SEGMENTS, 60_000)],
    ['unknown-flags', spoilt(wire.HEADER_BYTES + wire.SEGMENT_BAGS, (0x80 << 24) | 3)],
    ...framed(later),
  ]);
  if (version > 1) {
    cases.set('unknown-flags-of-a-frame', spoilt(wire.FRAME_VERSION, version | (4 << 16)));
    cases.set('checksum-without-its-flag', spoilt(wire.FRAME_CHECKSUM, 1));
  }
  for (const [i, frame] of [...cases.values()].entries()) frame[wire.FRAME_ID >>> 2] = 1000 + i;
  if (version > 1) for (const name of ['several', 'key-of-no-row', 'fetch-int4']) seal(cases, name);
  return cases;
}

/** Adds a case with a checksum, and a case in which a bit changed after that. */
function seal(cases: Map<string, Uint32Array<ArrayBuffer>>, name: string): void {
  const frame = cases.get(name) ?? new Uint32Array();
  const whole = new Uint32Array(sealed(new Uint8Array(frame.buffer)).slice().buffer);
  const changed = whole.slice();
  changed[changed.length - 1] ^= 1 << 20;
  cases.set(`${name}-with-checksum`, whole);
  cases.set(`${name}-changed`, changed);
}
