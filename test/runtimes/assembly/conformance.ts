// The conformance run, which every runtime executes: the kernels pool problems of a tape and problems drawn from seeds,
// all in one memory, and one digest covers all results. It imports the shipped kernels.
import {
  CALL_BAG, CALL_BYTES, CALL_ERROR_POSITION, CALL_EXCEPTIONS, CALL_KEY, DONE, MERGE_BYTES, MORE,
} from '../../../src/kernel/layout';
import {
  IMAGE, IMAGE_BUDGET, IMAGE_BYTES, IMAGE_MERGE_BLOCKS, IMAGE_MERGES, IMAGE_POOL_BLOCKS, IMAGE_POOLS, TAPE,
} from '../image';
import { take } from './digest';
import { draw } from './draw';
import { seed } from './random';

export { digest, take } from './digest';
export { prepare } from './spin';

@external('kernels', 'pool') declare function pool(call: usize, budget: u32): u32;
@external('kernels', 'merge') declare function merge(call: usize): void;
@external('kernels', 'divide') declare function divide(call: usize): void;

/** Draws problem `number`, and writes it to memory. */
export function make(number: u32): void {
  seed(number);
  draw();
}

/** Copies a problem of the tape from `at`. @returns the address of the next problem */
export function wind(at: usize): usize {
  const bytes = <usize>load<u32>(at, IMAGE_BYTES);
  memory.copy(IMAGE, at, bytes);
  return at + bytes;
}

/** Pools the current problem. @returns the status of the kernels */
export function solve(): u32 {
  const blocks = <usize>load<u32>(IMAGE, IMAGE_POOL_BLOCKS), budget = load<u32>(IMAGE, IMAGE_BUDGET);
  for (let i: usize = 0; i < <usize>load<u32>(IMAGE, IMAGE_POOLS); i++) {
    let status: u32 = MORE;
    while (status == MORE) status = pool(blocks + i * CALL_BYTES, budget);
    if (status != DONE) return status;
  }
  const merges = <usize>load<u32>(IMAGE, IMAGE_MERGES), block = <usize>load<u32>(IMAGE, IMAGE_MERGE_BLOCKS);
  for (let i: usize = 0; i < merges; i++) merge(block + i * MERGE_BYTES);
  if (merges) divide(block);
  return DONE;
}

/** Runs `taped` problems from TAPE on, and then the first `drawn` drawn problems. */
export function run(taped: u32, drawn: u32): void {
  let at: usize = TAPE;
  for (let i: u32 = 0; i < taped; i++) {
    at = wind(at);
    take(solve());
  }
  for (let number: u32 = 0; number < drawn; number++) {
    make(number);
    take(solve());
  }
}

/** Pools the current problem `times` times, to measure throughput. */
export function spin(times: u32): void {
  const call = <usize>load<u32>(IMAGE, IMAGE_POOL_BLOCKS);
  for (let i: u32 = 0; i < times; i++) {
    store<u32>(call, 0, CALL_BAG);
    store<u32>(call, 0, CALL_KEY);
    store<u32>(call, 0, CALL_EXCEPTIONS);
    store<u32>(call, 0, CALL_ERROR_POSITION);
    solve();
  }
}
