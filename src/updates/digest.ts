/**
 * A 64-bit digest of whole words: two lanes of MurmurHash3, finished together. It tells batches from each other. It does not protect
 * from somebody who wants two batches to look alike, and who could as well write what he likes to the stream.
 */
export function digestOf(words: Uint32Array): bigint {
  let [low, high] = [0x9747b28c, 0x3c6ef372];
  for (let i = 0; i < words.length; i++) {
    const mixed = Math.imul(rotated(Math.imul(words[i], 0xcc9e2d51), 15), 0x1b873593);
    low = (Math.imul(rotated(low ^ mixed, 13), 5) + 0xe6546b64) | 0;
    high = (Math.imul(rotated(high ^ rotated(mixed, 16), 17), 9) + low) | 0;
  }
  low = finished(low ^ words.length);
  high = finished(high + low);
  return (BigInt(high >>> 0) << 32n) | BigInt(finished(low + high) >>> 0);
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function finished(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
