// What a reply repeats of its subrequest's header: whose it is, in which version, and whether frames carry checksums.
import * as wire from './layout.ts';

export interface FrameIdentity {
  /** u32, chosen by the ranker. */
  readonly id: number;
  readonly version: number;
  /** The frame carries a checksum. */
  readonly checksum: boolean;
}

/** Of a subrequest that was refused before its header was read: every ranker understands the oldest version. */
export const unreadIdentity: FrameIdentity = { id: 0, version: wire.wireVersionOldest, checksum: false };

/** The identity in the header at word `at`. */
export function identityAt(words: Uint32Array, at: number): FrameIdentity {
  const version = words[at + (wire.FRAME_VERSION >>> 2)] & 0xffff;
  return { id: words[at + (wire.FRAME_ID >>> 2)], version, checksum: hasChecksum(words, at) };
}

/** Whether the frame at word `at` says that it carries a checksum. What flags mean in other versions nobody knows. */
export function hasChecksum(words: Uint32Array, at: number): boolean {
  const versionAndFlags = words[at + (wire.FRAME_VERSION >>> 2)];
  const flagged = ((versionAndFlags >>> 16) & wire.HEADER_FLAG_CHECKSUM) !== 0;
  return flagged && (versionAndFlags & 0xffff) === wire.wireVersion;
}

/** The identity that a node answers to: in a version that it serves. */
export function answerableIdentity(words: Uint32Array, at: number): FrameIdentity {
  const identity = identityAt(words, at);
  const served = identity.version >= wire.wireVersionOldest && identity.version <= wire.wireVersion;
  return served ? identity : { ...unreadIdentity, id: identity.id };
}

/** Writes it into the header at word `at`. */
export function writeIdentity(
  words: Uint32Array,
  at: number,
  { id, version, checksum }: FrameIdentity,
): void {
  words[at + (wire.FRAME_VERSION >>> 2)] = version | (checksum ? wire.HEADER_FLAG_CHECKSUM << 16 : 0);
  words[at + (wire.FRAME_ID >>> 2)] = id;
}

const headerWords = wire.HEADER_BYTES >>> 2;

/**
 * The checksum of a frame that is its header alone (assembly/checksum.ts): errors are written where no kernel is at hand.
 * Sums of so few words are exact as numbers.
 */
export function headerChecksum(words: Uint32Array, at: number): number {
  const first = [0, 0, 0, 0];
  const second = [0, 0, 0, 0];
  for (let i = 0; i < headerWords; i++) {
    const word = i === wire.FRAME_CHECKSUM >>> 2 ? 0 : words[at + i];
    first[i % 4] += word;
    second[i % 4] += first[i % 4];
  }
  let mixed = 0;
  for (const sums of [first, second]) {
    // As they lie in vectors: columns 0 and 2, then 1 and 3.
    for (const column of [0, 2, 1, 3]) {
      mixed = round(mixed, sums[column] % 2 ** 32);
      mixed = round(mixed, Math.floor(sums[column] / 2 ** 32));
    }
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function round(mixed: number, word: number): number {
  const next = mixed ^ word;
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0;
}
