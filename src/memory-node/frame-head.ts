import { HEADER_BYTES, SEGMENT_BYTES, SUBREQUEST_SEGMENTS } from '../wire/layout.ts';
import type { WorkerArena } from './worker-arena.ts';

/** Header and entries of a frame, where nobody but the node writes. */
export interface FrameHead {
  readonly address: number;
  readonly bytes: number;
}

/**
 * Copies them out of a frame that its sender can still write to: what was checked must be what is done. Keys, offsets
 * and weights stay where they are, and are checked as they are used. @returns undefined where there is no room now
 */
export function copyHead({ slots, words }: WorkerArena, frame: number, bytes: number): FrameHead | undefined {
  const segments = words[(frame + SUBREQUEST_SEGMENTS) >>> 2];
  const headBytes = Math.min(bytes, HEADER_BYTES + segments * SEGMENT_BYTES);
  const address = slots.allocate(headBytes);
  if (address === undefined) return undefined;
  words.copyWithin(address >>> 2, frame >>> 2, (frame + headBytes) >>> 2);
  // There is room for as many as were seen, whatever is written there meanwhile.
  words[(address + SUBREQUEST_SEGMENTS) >>> 2] = segments;
  return { address, bytes: headBytes };
}
