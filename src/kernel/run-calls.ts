import type { Kernels } from './kernels.ts';
import { MORE } from './layout.ts';

/** Keys of one slice: about 200 µs of rows. */
export const sliceKeys = 4096;

/** A call and the kernels to run it with. */
export interface RunnableCall {
  readonly kernels: Kernels;
  readonly kernel: 'pool' | 'gather';
  readonly address: number;
}

/** Runs calls to their end. @returns the last status of each */
export function runCalls(calls: readonly RunnableCall[]): number[] {
  return calls.map(({ kernels, kernel, address }) => {
    let status: number = MORE;
    while (status === MORE) status = kernels[kernel](address, sliceKeys);
    return status;
  });
}
