// Replies of two nodes that hold the same tables, to one frame.
import { FRAME_ID, HEADER_BYTES, SUBREQUEST_TIME_LEFT_US } from '../../src/wire/layout.ts';
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

/** What two nodes say alike. Where a subrequest is not taken in, its id may not be known. */
export function withoutId(reply: Uint8Array): Buffer {
  const copy = timeless(reply);
  new DataView(copy.buffer).setUint32(FRAME_ID, 0, true);
  return Buffer.from(copy.buffer);
}
