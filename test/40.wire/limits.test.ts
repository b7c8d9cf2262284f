// The limits of a frame are defined twice: for the kernel that reads frames, and for all other code.
import { expect, test } from 'vitest';
import * as layout from '../../src/kernel/answer-layout.ts';
import { segmentBagsMax, subrequestKeysMax, subrequestSegmentsMax } from '../../src/limits.ts';

test('kernel and host have the same limits for frames', () => {
  const { FRAME_SEGMENTS_MAX, SEGMENT_BAGS_MAX, FRAME_KEYS_MAX } = layout;
  expect([FRAME_SEGMENTS_MAX, SEGMENT_BAGS_MAX, FRAME_KEYS_MAX]).toEqual([
    subrequestSegmentsMax,
    segmentBagsMax,
    subrequestKeysMax,
  ]);
});
