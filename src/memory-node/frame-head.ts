import { HEADER_BYTES, SEGMENT_BYTES, SUBREQUEST_SEGMENTS } from '../wire/layout.ts';
import type { WorkerArena } from './worker-arena.ts';

/** The header and the entries of a frame, in memory that only the node writes to. */
export interface FrameHead {
  readonly address: number;
  readonly bytes: number;
}

/**
 * Copies the header and the entries of a frame that its sender can still write to, so that the node uses exactly the
 * values that it has checked. Keys, offsets and weights stay where they are and are checked when they are used.
 * @returns undefined if there is no space now
 */
export function copyHead({ slots, words }: WorkerArena, frame: number, bytes: number): FrameHead | undefined {
  const segments = words[(frame + SUBREQUEST_SEGMENTS) >>> 2];
  const headBytes = Math.min(bytes, HEADER_BYTES + segments * SEGMENT_BYTES);
  const address = slots.allocate(headBytes);
  if (address === undefined) return undefined;
  words.copyWithin(address >>> 2, frame >>> 2, (frame + headBytes) >>> 2);
  // The copy has space for this number of entries only. The sender may have changed the number in the meantime.
  words[(address + SUBREQUEST_SEGMENTS) >>> 2] = segments;
  return { address, bytes: headBytes };
}
