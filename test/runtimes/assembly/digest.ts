// One digest of all results: FNV-1a, 64 bits.
import { IMAGE, IMAGE_OUTPUTS, OUTPUTS } from '../image';

let state: u64 = 0xcbf29ce484222325;

@inline function fold(byte: u64): void { state = (state ^ byte) * 0x100000001b3; }

export function digest(): u64 { return state; }

/** Adds the status of the current problem, and its results if the status is 0. */
export function take(status: u32): void {
  fold(status);
  if (status) return;
  for (let i: usize = 0; i < <usize>OUTPUTS; i++) {
    const at = <usize>load<u32>(IMAGE + IMAGE_OUTPUTS + (i << 3)), end = at + load<u32>(IMAGE + IMAGE_OUTPUTS + (i << 3), 4);
    for (let byte = at; byte < end; byte++) fold(load<u8>(byte));
  }
}
