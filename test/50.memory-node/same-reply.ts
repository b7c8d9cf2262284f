// Compares the replies of two nodes with the same tables to one frame.
import {
  FRAME_CHECKSUM,
  FRAME_ID,
  FRAME_VERSION,
  HEADER_BYTES,
  REPLY_STATUS,
  SUBREQUEST_TIME_LEFT_US,
} from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import { timeless } from './lookups.ts';

/** Whether the frame had so little time left that it was too late for only one of the nodes. */
export function differInTime(frame: Uint8Array<ArrayBuffer>, one: Uint8Array, other: Uint8Array): boolean {
  if (frame.length < HEADER_BYTES) return false;
  const leftUs = new DataView(frame.buffer).getUint32(SUBREQUEST_TIME_LEFT_US, true);
  return leftUs > 0 && leftUs < 10_000_000 && isLate(one) !== isLate(other);
}

function isLate(reply: Uint8Array): boolean {
  return new Reply(Uint8Array.from(reply)).error?.code === 'DEADLINE_EXCEEDED';
}

/** The part of a reply that two nodes have in common. A node that refuses a frame may not know its id and version. */
export function withoutIdentity(reply: Uint8Array): Buffer {
  const copy = timeless(reply);
  const view = new DataView(copy.buffer);
  view.setUint32(FRAME_ID, 0, true);
  if (view.getUint32(REPLY_STATUS, true) !== 0) view.setUint32(FRAME_VERSION, 0, true);
  // The checksum includes the load, which differs.
  view.setUint32(FRAME_CHECKSUM, 0, true);
  return Buffer.from(copy.buffer);
}
