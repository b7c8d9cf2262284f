import fc from 'fast-check';
import type { TraceContext } from '../../src/wire/trace.ts';

const digits = (count: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: count, maxLength: count })
    .filter((id) => !/^0*$/.test(id));

/** Draws valid trace contexts. */
export const anyTrace: fc.Arbitrary<TraceContext> = fc.record({
  traceId: digits(32),
  spanId: digits(16),
  flags: fc.nat({ max: 255 }),
});
