// Random numbers from a seed, which are the same in every runtime.
let state: u32 = 0;

export function seed(value: u32): void { state = value * 0x85ebca6b; }

export function next(): u32 {
  state += 0x9e3779b9;
  let x = state;
  x = (x ^ (x >>> 16)) * 0x85ebca6b;
  x = (x ^ (x >>> 13)) * 0xc2b2ae35;
  return x ^ (x >>> 16);
}

/** Returns a number from 0 to count − 1. */
@inline export function below(count: u32): u32 { return next() % count; }

/** True once in `count` times. */
@inline export function once(count: u32): bool { return next() % count == 0; }
