// A ranker does not trust a reply: it compares every field with the subrequest before it uses any of them.
import { OUTCOME_DEFAULTED, OUTCOME_PADDED } from '../kernel/layout.ts';
import type { FrameIdentity } from '../wire/frame-identity.ts';
import {
  EXCEPTION_OUTCOME_SHIFT,
  EXCEPTION_POSITION_MASK,
  HEADER_BYTES,
  HEADER_FLAGS_KNOWN,
  wireVersionOldest,
} from '../wire/layout.ts';
import { invalidReply, type Reply, type ReplyPlaces, type WireError } from '../wire/reply.ts';
import type { Segment } from './segment.ts';
import type { Workspace } from './workspace.ts';

/** Checks that a reply is complete and answers the subrequest that was sent. @throws INVALID_FRAME if not */
export function checkReply(reply: Reply, sent: FrameIdentity, workspace: Workspace): void {
  const { id, version, checksum } = reply.identity;
  const { error } = reply;
  if (error !== undefined && reply.bytes.length !== HEADER_BYTES)
    throw invalidReply(
      `with an error has ${reply.bytes.length} bytes, not ${HEADER_BYTES}`,
      reply.bytes.length,
    );
  // If a node could not read a subrequest, its error reply may have id 0, the oldest version and no checksum.
  const unread = error !== undefined && !checksum && version === wireVersionOldest;
  if (unread && id === 0) return;
  if (id !== sent.id) throw invalidReply(`to subrequest ${sent.id} carries the id ${id}`, id);
  if (version < wireVersionOldest || version > sent.version)
    throw invalidReply(`has version ${version}, but its subrequest has version ${sent.version}`, version);
  if (version === 1 ? reply.flags !== 0 : (reply.flags & ~HEADER_FLAGS_KNOWN) !== 0)
    throw invalidReply(`has the flags ${reply.flags}, which version ${version} does not define`, reply.flags);
  if (!sent.checksum || unread) return;
  if (!checksum) throw invalidReply('carries no checksum, but its subrequest does', version);
  const found = workspace.checksum(reply.bytes);
  if (found === reply.checksum) return;
  throw invalidReply(
    `has the checksum ${reply.checksum}, but its bytes give ${found}: bits have changed in transit`,
    found,
  );
}

/** Checks that the results match the segments of the subrequest. @throws INVALID_FRAME if not */
export function checkResults(reply: Reply, places: ReplyPlaces, segments: readonly Segment[]): void {
  let keys = 0;
  for (const { keysSent } of segments) keys += keysSent;
  reply.checkLength(places, segments.length, keys);
  checkExceptions(reply.exceptions, keys);
  for (let i = 0; i < segments.length; i++)
    if (segments[i].counts) checkCounts(reply.counts(places.counts[i], segments[i].vectors), segments[i]);
}

/** Checks that positions ascend, so that each key is named at most once. */
function checkExceptions(exceptions: Uint32Array, keys: number): void {
  let before = -1;
  for (let i = 0; i < exceptions.length; i++) {
    const position = exceptions[i] & EXCEPTION_POSITION_MASK;
    const outcome = exceptions[i] >>> EXCEPTION_OUTCOME_SHIFT;
    if (position <= before || position >= keys)
      throw invalidReply(`lists key ${position} of ${keys} as an exception after key ${before}`, position);
    if (outcome < OUTCOME_PADDED || outcome > OUTCOME_DEFAULTED)
      throw invalidReply(`gives key ${position} the unknown outcome ${outcome}`, outcome);
    before = position;
  }
}

/** Checks that no bag has more rows than keys. */
function checkCounts(counts: Uint32Array, { offsets }: Segment): void {
  for (let i = 0; i < counts.length; i++) {
    const most = offsets === undefined ? 1 : offsets[i + 1] - offsets[i];
    if (counts[i] > most) throw invalidReply(`counts ${counts[i]} rows for ${most} keys`, counts[i]);
  }
}

/** Checks that the key that an error names was sent. @throws INVALID_FRAME if not */
export function checkBlamedKey({ keys, keysSent, wide }: Segment, { position = 0, value }: WireError): void {
  const sent = wide
    ? (BigInt(keys[2 * position + 1] ?? 0) << 32n) | BigInt(keys[2 * position] ?? 0)
    : BigInt(keys[position] ?? 0);
  if (position < keysSent && sent === value) return;
  throw invalidReply(`reports an error for key ${value} at position ${position}, which was not sent`, value);
}
