// Every kind of refusal when a subrequest is read, recognised by its error.
import { segmentBagsMax, subrequestKeysMax, subrequestSegmentsMax } from '../../src/limits.ts';
import * as wire from '../../src/wire/layout.ts';
import type { WireError } from '../../src/wire/reply.ts';

interface Refusal {
  readonly name: string;
  /** @param bytes length of the frame @param words the frame */
  matches(error: WireError, bytes: number, words: Uint32Array): boolean;
}

const ofFrame = (name: string, position: number, holds?: Refusal['matches']): Refusal => ({
  name,
  matches: (error, bytes, words) =>
    error.code === 'INVALID_FRAME' &&
    error.segment === undefined &&
    error.position === position &&
    (holds?.(error, bytes, words) ?? true),
});

/** The flags of the segment that an error names. */
function flagsAt({ segment = 0 }: WireError, words: Uint32Array): number {
  return words[(wire.HEADER_BYTES + segment * wire.SEGMENT_BYTES + wire.SEGMENT_BAGS) >>> 2] >>> 24;
}

const ofFlags = (name: string, holds: (flags: number, value: number) => boolean): Refusal => ({
  name,
  matches: (error, _, words) =>
    error.code === 'INVALID_FRAME' &&
    error.segment !== undefined &&
    error.position === wire.SEGMENT_BAGS &&
    holds(flagsAt(error, words), Number(error.value)),
});

const reserved = Array.from(
  { length: (wire.HEADER_BYTES - wire.SUBREQUEST_TRACE_ID) >>> 2 },
  (_, i) => wire.SUBREQUEST_TRACE_ID + 4 * i,
);

const versionOf = (words: Uint32Array): number => words[wire.FRAME_VERSION >>> 2] & 0xffff;

export const refusals: readonly Refusal[] = [
  ofFrame('another magic', wire.FRAME_MAGIC),
  {
    name: 'a version before the oldest',
    matches: ({ code, value = 0 }) =>
      code === 'UNSUPPORTED_VERSION' && Number(value) < wire.wireVersionOldest,
  },
  {
    name: 'a version after the newest',
    matches: ({ code, value = 0 }) => code === 'UNSUPPORTED_VERSION' && Number(value) > wire.wireVersion,
  },
  ofFrame('a length that is not its own', wire.FRAME_BYTES, ({ value }, bytes) => value !== bytes),
  ofFrame('unknown flags of a frame', wire.FRAME_VERSION),
  ...reserved.map((field) =>
    ofFrame(`reserved byte ${field} of version 1`, field, (_, __, words) => versionOf(words) === 1),
  ),
  ofFrame('a checksum that no flag announces', wire.FRAME_CHECKSUM, (_, __, words) => versionOf(words) > 1),
  {
    name: 'too many segments',
    matches: ({ code, segment, value }) =>
      code === 'LIMIT_EXCEEDED' && segment === undefined && value === subrequestSegmentsMax,
  },
  ofFrame('more segments than bytes', wire.SUBREQUEST_SEGMENTS),
  ofFlags('unknown flags', (flags) => (flags & ~wire.FLAGS_KNOWN) !== 0),
  ofFlags(
    'bags to be fetched',
    (flags, value) =>
      (flags & ~wire.FLAGS_KNOWN) === 0 && (flags & wire.FLAG_FETCH) !== 0 && (value & 0xffffff) > 0,
  ),
  ofFlags(
    'weights to be fetched',
    (flags, value) =>
      (flags & ~wire.FLAGS_KNOWN) === 0 &&
      (flags & wire.FLAG_FETCH) !== 0 &&
      (flags & wire.FLAG_WEIGHTED) !== 0 &&
      (value & 0xffffff) === 0,
  ),
  {
    name: 'too many bags',
    matches: ({ code, segment, value }) =>
      code === 'LIMIT_EXCEEDED' && segment !== undefined && value === segmentBagsMax,
  },
  {
    name: 'more keys than bytes',
    matches: ({ code, segment, position }) =>
      code === 'INVALID_FRAME' && segment !== undefined && position === wire.SEGMENT_KEYS,
  },
  {
    name: 'offsets that end elsewhere than the keys',
    matches: ({ code, segment }) => code === 'INVALID_OFFSETS' && segment !== undefined,
  },
  ofFrame('bytes to spare', wire.FRAME_BYTES, ({ value }, bytes) => value === bytes),
  {
    name: 'too many keys',
    matches: ({ code, segment, value }) =>
      code === 'LIMIT_EXCEEDED' && segment === undefined && value === subrequestKeysMax,
  },
];

/** @returns the name of the refusal that an error is */
export function refusalOf(error: WireError, bytes: number, words: Uint32Array): string {
  const found = refusals.filter((refusal) => refusal.matches(error, bytes, words));
  if (found.length === 1) return found[0].name;
  throw new Error(`${found.length} kinds of refusal match this error: ${JSON.stringify(error, show)}`);
}

function show(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
