// Draws subrequests that a ranker can write.
import fc from 'fast-check';
import { wireVersion, wireVersionOldest } from '../../src/wire/layout.ts';
import {
  type OutgoingSegment,
  type SubrequestHead,
  subrequestBytes,
  writeSubrequest,
} from './write-subrequest.ts';

const u32 = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 0xffffffff }));

/** Bags of keys, rows that are not pooled, or rows that are fetched as stored. */
export const segment: fc.Arbitrary<OutgoingSegment> = fc
  .record({
    shard: u32,
    version: u32,
    wide: fc.boolean(),
    kind: fc.constantFrom('bags', 'rows', 'fetch'),
    lengths: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 6 }),
    words: fc.infiniteStream(u32),
    weighted: fc.boolean(),
    weights: fc.infiniteStream(fc.float()),
    partial: fc.boolean(),
    missing: fc.constantFrom(undefined, 'error', 'skip', 'default'),
  })
  .map(({ kind, lengths, words, weights, weighted, ...fields }): OutgoingSegment => {
    const keys = lengths.reduce((sum, length) => sum + length, 0);
    const offsets = new Uint32Array(lengths.length + 1);
    lengths.forEach((length, bag) => {
      offsets[bag + 1] = offsets[bag] + length;
    });
    return {
      ...fields,
      keys: Uint32Array.from({ length: fields.wide ? keys * 2 : keys }, () => words.next().value),
      offsets: kind === 'bags' ? offsets : undefined,
      weights:
        kind !== 'fetch' && weighted
          ? Float32Array.from({ length: keys }, () => weights.next().value)
          : undefined,
      fetch: kind === 'fetch',
    };
  });

export const head: fc.Arbitrary<SubrequestHead> = fc.record({
  id: u32,
  version: fc.integer({ min: wireVersionOldest, max: wireVersion }),
  checksum: fc.constant(false),
  plan: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  timeLeftUs: u32,
  replyCredits: u32,
});

/** A subrequest as words. */
export function frameOf(
  fields: SubrequestHead,
  segments: readonly OutgoingSegment[],
): Uint32Array<ArrayBuffer> {
  const bytes = subrequestBytes(segments);
  const words = new Uint32Array(bytes >>> 2);
  writeSubrequest(words, 0, fields, bytes, segments);
  return words;
}

export const frame = fc
  .tuple(head, fc.array(segment, { maxLength: 4 }))
  .map(([fields, segments]) => ({ words: frameOf(fields, segments), fields, segments }));

/** Puts a frame between other words. Reading those throws. */
export function guarded(frame: Uint32Array, at: number): Uint32Array {
  const all = new Uint32Array(at + frame.length + 8).fill(0xdeadbeef);
  all.set(frame, at);
  return new Proxy(all, {
    get(words, name) {
      const index = Number(name);
      if (Number.isInteger(index) && (index < at || index >= at + frame.length))
        throw new RangeError(`word ${index} was read, but the frame is [${at}, ${at + frame.length})`);
      return Reflect.get(words, name, words);
    },
  });
}
