// What a reply repeats from the header of its subrequest: id, version, and whether frames carry checksums.
import * as wire from './layout.ts';

export interface FrameIdentity {
  /** u32, chosen by the ranker. */
  readonly id: number;
  readonly version: number;
  /** The frame carries a checksum. */
  readonly checksum: boolean;
}

/** For a subrequest that was refused before its header was read. Every ranker understands the oldest version. */
export const unreadIdentity: FrameIdentity = { id: 0, version: wire.wireVersionOldest, checksum: false };

/** The identity in the header at word `at`. */
export function identityAt(words: Uint32Array, at: number): FrameIdentity {
  const version = words[at + (wire.FRAME_VERSION >>> 2)] & 0xffff;
  return { id: words[at + (wire.FRAME_ID >>> 2)], version, checksum: hasChecksum(words, at) };
}

/** Whether the frame at word `at` says that it carries a checksum. The flags of other versions are unknown. */
export function hasChecksum(words: Uint32Array, at: number): boolean {
  const versionAndFlags = words[at + (wire.FRAME_VERSION >>> 2)];
  const flagged = ((versionAndFlags >>> 16) & wire.HEADER_FLAG_CHECKSUM) !== 0;
  return flagged && (versionAndFlags & 0xffff) === wire.wireVersion;
}

/** The identity that a node answers with: its version is one that the node supports. */
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

/** The checksum of a header without more, which is one block (docs/wire.md). Errors are written without a kernel. */
export function headerChecksum(words: Uint32Array, at: number): number {
  const sums = new Int32Array(headerWords + 4);
  for (let i = 0; i < headerWords; i++) {
    const word = i === wire.FRAME_CHECKSUM >>> 2 ? 0 : words[at + i];
    sums[i] = ((word << 16) >> 16) + 3 * (word >> 16);
    sums[headerWords + (i % 4)] += word;
  }
  let mixed = 0;
  for (const sum of sums) {
    const next = mixed ^ sum;
    mixed = (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0;
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

const headerWords = wire.HEADER_BYTES >>> 2;
