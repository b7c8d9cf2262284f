// Replies of two nodes that hold the same tables, to one frame.
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

/** So little time was left to it that one node found it enough, and the other did not. */
export function differInTime(frame: Uint8Array<ArrayBuffer>, one: Uint8Array, other: Uint8Array): boolean {
  if (frame.length < HEADER_BYTES) return false;
  const leftUs = new DataView(frame.buffer).getUint32(SUBREQUEST_TIME_LEFT_US, true);
  return leftUs > 0 && leftUs < 10_000_000 && isLate(one) !== isLate(other);
}

function isLate(reply: Uint8Array): boolean {
  return new Reply(Uint8Array.from(reply)).error?.code === 'DEADLINE_EXCEEDED';
}

/** What two nodes say alike. Where a subrequest is not taken in, neither its id nor its version may be known. */
export function withoutIdentity(reply: Uint8Array): Buffer {
  const copy = timeless(reply);
  const view = new DataView(copy.buffer);
  view.setUint32(FRAME_ID, 0, true);
  if (view.getUint32(REPLY_STATUS, true) !== 0) view.setUint32(FRAME_VERSION, 0, true);
  // The checksum is over the load of the moment.
  view.setUint32(FRAME_CHECKSUM, 0, true);
  return Buffer.from(copy.buffer);
}
