// A frame's limits are named twice: for the kernel that reads it, and for everybody else.
import { expect, test } from 'vitest';
import * as layout from '../../src/kernel/answer-layout.ts';
import { segmentBagsMax, subrequestKeysMax, subrequestSegmentsMax } from '../../src/limits.ts';

test('kernel and host agree on what a frame may hold', () => {
  const { FRAME_SEGMENTS_MAX, SEGMENT_BAGS_MAX, FRAME_KEYS_MAX } = layout;
  expect([FRAME_SEGMENTS_MAX, SEGMENT_BAGS_MAX, FRAME_KEYS_MAX]).toEqual([
    subrequestSegmentsMax,
    segmentBagsMax,
    subrequestKeysMax,
  ]);
});
