// The most segments of a frame are defined twice: for the kernel that reads frames, and for all other code.
import { expect, test } from 'vitest';
import { FRAME_SEGMENTS_MAX } from '../../src/kernel/answer-layout.ts';
import { subrequestSegmentsMax } from '../../src/limits.ts';

test('kernel and host have the same limit for the segments of a frame', () => {
  expect(FRAME_SEGMENTS_MAX).toBe(subrequestSegmentsMax);
});
