// Draws frames that a peer may send by mistake or on purpose, and lists why a node refuses frames.
import fc from 'fast-check';
import type { ErrorCode } from '../../src/index.ts';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { hasChecksum } from '../../src/wire/frame-identity.ts';
import {
  FLAG_FETCH,
  FLAG_WEIGHTED,
  FLAG_WIDE,
  FRAME_BYTES,
  FRAME_CHECKSUM,
  FRAME_MAGIC,
  HEADER_BYTES,
  SEGMENT_BAGS,
  SEGMENT_BYTES,
  SEGMENT_KEYS,
  SEGMENT_SHARD,
  SEGMENT_VERSION,
  SUBREQUEST_MAGIC,
  wireVersion,
} from '../../src/wire/layout.ts';
import type { Reply, WireError } from '../../src/wire/reply.ts';
import { checksumOf, sealed } from '../40.wire/checksum-oracle.ts';
import { readSubrequest, type Subrequest } from '../40.wire/read-subrequest.ts';
import { refusalOf, refusals } from '../40.wire/refusals.ts';
import { frameOf, segmentOf } from './lookups.ts';

type Frame = Uint8Array<ArrayBuffer>;

const word = fc.oneof(
  fc.constantFrom(
    0,
    1,
    2,
    3,
    4,
    63,
    64,
    0xff,
    0xffff,
    0xffffff,
    0x1000000,
    0x7fffffff,
    0x80000000,
    0xfffffffe,
    0xffffffff,
  ),
  fc.integer({ min: 0, max: 0xffffffff }),
);

const share = fc.nat({ max: 9_999 }).map((part) => part / 10_000);
const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);
const often = <T>(arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> => ({ weight: 4, arbitrary });
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> => ({ weight: 1, arbitrary });

/** A change of a frame, at a share of its length or at a word of its header and entries, where most errors are. */
const change = fc.oneof(
  often(fc.record({ kind: kind('flip'), at: share, bit: fc.nat({ max: 7 }) })),
  often(fc.record({ kind: kind('word'), at: share, value: word })),
  often(fc.record({ kind: kind('field'), at: fc.nat({ max: 27 }), value: word })),
  often(fc.record({ kind: kind('nudge'), at: fc.nat({ max: 27 }), by: fc.constantFrom(-1, 1) })),
  often(fc.record({ kind: kind('splice'), from: share, at: share, words: fc.nat({ max: 12 }) })),
  rarely(fc.record({ kind: kind('cut'), at: share })),
  rarely(fc.record({ kind: kind('grow'), by: fc.nat({ max: 40 }) })),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function changed(frame: Frame, other: Frame, done: Change): Frame {
  const copy = Uint8Array.from(frame);
  const view = new DataView(copy.buffer);
  const wordAt = (share: number): number =>
    Math.min((copy.length >>> 2) - 1, Math.floor((share * copy.length) / 4)) * 4;
  if (done.kind === 'cut') return copy.slice(0, Math.floor(done.at * copy.length));
  if (done.kind === 'grow') {
    const grown = new Uint8Array(copy.length + done.by);
    grown.set(copy);
    return grown;
  }
  if (copy.length < 4) return copy;
  if (done.kind === 'flip')
    copy[Math.min(copy.length - 1, Math.floor(done.at * copy.length))] ^= 1 << done.bit;
  if (done.kind === 'word') view.setUint32(wordAt(done.at), done.value, true);
  if (done.kind === 'field' && done.at * 4 + 4 <= copy.length) view.setUint32(done.at * 4, done.value, true);
  if (done.kind === 'nudge' && done.at * 4 + 4 <= copy.length)
    view.setUint32(done.at * 4, view.getUint32(done.at * 4, true) + done.by, true);
  if (done.kind === 'splice') {
    const from = Math.floor((done.from * other.length) / 4) * 4;
    copy.set(
      other.subarray(from, Math.min(from + done.words * 4, from + copy.length - wordAt(done.at))),
      wordAt(done.at),
    );
  }
  return copy;
}

/** Draws frames of `frames` with a few changes, and random bytes. */
export function hostileFrames(frames: fc.Arbitrary<Frame>): fc.Arbitrary<Frame> {
  const mutant = fc
    .tuple(
      frames,
      frames,
      fc.array(change, { minLength: 1, maxLength: 2 }),
      fc.nat({ max: 3 }),
      fc.nat({ max: 3 }),
    )
    .map(([frame, other, changes, honest, seal]) => {
      const bytes = changes.reduce((made, each) => changed(made, other, each), frame);
      // Nodes check magic and length first, so these should be right in most frames.
      if (honest > 0 && bytes.length >= HEADER_BYTES) {
        const view = new DataView(bytes.buffer);
        view.setUint32(FRAME_MAGIC, SUBREQUEST_MAGIC, true);
        view.setUint32(FRAME_BYTES, bytes.length, true);
      }
      if (seal === 0 && bytes.length >= HEADER_BYTES && bytes.length % 4 === 0) return sealed(bytes);
      return bytes;
    });
  const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Uint8Array.from(bytes));
  return fc.oneof({ weight: 19, arbitrary: mutant }, { weight: 1, arbitrary: noise });
}

/** Every kind of refusal after a frame was read. */
const nodeRefusals = [
  'another plan',
  'a shard that is not here',
  'another version of a table',
  'weights of a maximum, or of rows',
  'ids of 32 bits',
  'a default row that the table does not have',
  'no bags',
  'a reply over the limit',
  'an unknown row',
  'an unknown id',
  'offsets that decrease',
  'time that is over',
  'bits that changed on the way',
] as const;

/** Every kind of refusal before the bytes of a frame are read. */
const admissionRefusals = [
  'fewer bytes than a header',
  'not whole words',
  'more bytes than are taken',
] as const;

/** Every outcome that must occur. */
export const outcomes: readonly string[] = [
  'answered',
  ...admissionRefusals,
  ...refusals.map(({ name }) => name),
  ...nodeRefusals,
];

/** @returns the outcome that a stream gives after a header that it cannot continue from, or undefined */
export function headerOutcomeOf(header: Uint8Array, bytesMax: number): string | undefined {
  const view = new DataView(header.buffer, header.byteOffset);
  if (view.getUint32(FRAME_MAGIC, true) !== SUBREQUEST_MAGIC) return 'another magic';
  const bytes = view.getUint32(FRAME_BYTES, true);
  if (bytes < HEADER_BYTES) return admissionRefusals[0];
  if (bytes % 4 !== 0) return admissionRefusals[1];
  return bytes > bytesMax ? admissionRefusals[2] : undefined;
}

/** @returns the outcome of a reply to a frame */
export function outcomeOf(routing: RoutingTable, frame: Frame, reply: Reply, bytesMax: number): string {
  const { error } = reply;
  if (error === undefined) return 'answered';
  if (frame.length < HEADER_BYTES) return admissionRefusals[0];
  if (frame.length % 4 !== 0) return admissionRefusals[1];
  if (frame.length > bytesMax) return admissionRefusals[2];
  const words = new Uint32Array(frame.slice().buffer);
  if (hasChecksum(words, 0) && words[FRAME_CHECKSUM >>> 2] !== checksumOf(frame))
    return 'bits that changed on the way';
  const read = readSubrequest(words, 0, frame.length);
  if ('code' in read) return refusalOf(read, frame.length, words);
  return nodeRefusalOf(routing, read, error);
}

function nodeRefusalOf(
  routing: RoutingTable,
  read: Subrequest,
  error: WireError,
): (typeof nodeRefusals)[number] {
  const segment = read.segments[error.segment ?? 0];
  const shard = numberedShards(routing)[segment?.shard];
  const indexed = shard?.table.indexed;
  const byCode: Partial<Record<ErrorCode, (typeof nodeRefusals)[number]>> = {
    INVALID_WEIGHTS: 'weights of a maximum, or of rows',
    INVALID_OPTION: 'a default row that the table does not have',
    INVALID_OFFSETS: segment?.bags === 0 ? 'no bags' : 'offsets that decrease',
    INVALID_KEY: indexed ? (segment?.wide ? 'an unknown id' : 'ids of 32 bits') : 'an unknown row',
    LIMIT_EXCEEDED: 'a reply over the limit',
    DEADLINE_EXCEEDED: 'time that is over',
  };
  const found = byCode[error.code];
  if (found) return found;
  if (error.code !== 'STALE_ROUTING') throw new Error(`no refusal of a frame has the code ${error.code}`);
  if (error.position !== 0) return 'another version of a table';
  // The value is the plan of the node, or the shard that it does not have.
  return error.value === BigInt(segment?.shard ?? -1) && shard === undefined
    ? 'a shard that is not here'
    : 'another plan';
}

/** At least one frame for every outcome. */
export function madeToOrder(routing: RoutingTable, bytesMax: number): Frame[] {
  const sum = segmentOf(routing, 'sum', [1, 2], { lengths: [1, 1] });
  const frame = (...segments: Parameters<typeof frameOf>[1]): Frame => frameOf(routing, segments);
  const set = (bytes: Frame, at: number, value: number): Frame => {
    const copy = Uint8Array.from(bytes);
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  const entry = (field: number, value: number): Frame => set(frame(sum), HEADER_BYTES + field, value);
  const flags = (flag: number, bags: number): Frame => entry(SEGMENT_BAGS, (flag << 24) | bags);
  const grown = (bytes: number): Frame => {
    const all = new Uint8Array(bytes);
    all.set(frame(sum));
    return all;
  };
  const keys = (count: number): number[] => new Array(count).fill(1);
  const offsetsAt = HEADER_BYTES + SEGMENT_BYTES + 8;
  return [
    frame(sum),
    frame(),
    frame(sum).slice(0, 4),
    grown(frame(sum).length + 2),
    grown(bytesMax + (4 - (bytesMax % 4))),
    set(frame(sum), 0, 0),
    set(frame(sum), 4, 0),
    set(frame(sum), 4, wireVersion + 1),
    set(frame(sum), 4, wireVersion | (4 << 16)),
    set(frame(sum), FRAME_CHECKSUM, 1),
    sealed(frame(sum)),
    set(sealed(frame(sum)), HEADER_BYTES + SEGMENT_BYTES, 2),
    ...[0, 32, 64, 66, 0xfffffffc].map((bytes) => set(frame(sum), FRAME_BYTES, bytes)),
    ...Array.from({ length: 7 }, (_, i) => set(set(frame(sum), 4, 1), 36 + 4 * i, 1)),
    set(frame(sum), 24, 65_537),
    set(frame(sum), 24, 9),
    flags(0x40, 2),
    flags(FLAG_FETCH, 2),
    flags(FLAG_FETCH | FLAG_WEIGHTED, 0),
    flags(0, 0xffffff),
    entry(SEGMENT_KEYS, 1000),
    set(frame(sum), offsetsAt + 8, 1),
    set(grown(frame(sum).length + 4), 8, frame(sum).length + 4),
    frame(segmentOf(routing, 'sum', keys(2_097_153))),
    frameOf(routing, [sum], { plan: 1n }),
    entry(SEGMENT_SHARD, 1000),
    entry(SEGMENT_VERSION, 2),
    frame(segmentOf(routing, 'max', [1], { weights: Float32Array.of(1) })),
    flagged(frame(segmentOf(routing, 'idSum', [1n])), FLAG_WIDE),
    frame({ ...sum, missing: 'default' }),
    frame({ ...sum, offsets: undefined }),
    frame(segmentOf(routing, 'wide', keys(20_000))),
    frame({ ...sum, keys: Uint32Array.of(1, 40) }),
    frame(segmentOf(routing, 'idSum', [0n, 1n])),
    set(frame(sum), offsetsAt + 4, 5),
    frameOf(routing, [segmentOf(routing, 'int8', keys(200_000))], { timeLeftUs: 1 }),
  ];

  /** Removes a flag that doubles the size of keys, and half of the key's words. */
  function flagged(bytes: Frame, flag: number): Frame {
    const view = new DataView(bytes.buffer);
    const bagsAndFlags = view.getUint32(HEADER_BYTES + SEGMENT_BAGS, true);
    const shorter = Uint8Array.from([...bytes.slice(0, 84), ...bytes.slice(88)]);
    const without = set(shorter, HEADER_BYTES + SEGMENT_BAGS, bagsAndFlags & ~(flag << 24));
    return set(without, 8, without.length);
  }
}
