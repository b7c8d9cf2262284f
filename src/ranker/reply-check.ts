// A ranker does not trust a reply: it compares every field with the subrequest before it uses any of them.
import type { FlexemrError } from '../errors.ts';
import { BAD_COUNT, BAD_OUTCOME } from '../kernel/ask-layout.ts';
import type { Workspace } from '../lookup/workspace.ts';
import type { FrameIdentity } from '../wire/frame-identity.ts';
import { HEADER_BYTES, HEADER_FLAGS_KNOWN, wireVersionOldest } from '../wire/layout.ts';
import { invalidReply, type Reply } from '../wire/reply.ts';

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

/** Why the kernel refused the results of a reply (assembly/outcomes.ts). @param keys of its subrequest */
export function badResults(status: number, position: number, value: number, keys: number): FlexemrError {
  if (status === BAD_COUNT) return invalidReply(`counts ${value} rows for ${position} keys`, value);
  if (status === BAD_OUTCOME)
    return invalidReply(`gives key ${position} the unknown outcome ${value}`, value);
  return invalidReply(`lists key ${position} of ${keys} as an exception after key ${value - 1}`, position);
}
