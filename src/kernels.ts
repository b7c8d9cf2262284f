export type {} from './libraries.ts';

// The kernels alone. They take pointers and return a status. A call is a block in memory that `writePoolCall` writes.

import * as v from 'valibot';
import { kernels as module } from '#kernels';
import { check } from './check.ts';
import { FlexemrError } from './errors.ts';
import type { Kernels } from './kernel/kernels.ts';
import { instantiate } from './kernel/wasm.ts';

export { type ErrorCode, FlexemrError } from './errors.ts';
export type { BagBuffers, MergeBuffers, MissingPolicy, PoolOptions, ShardRows } from './kernel/call.ts';
export { writeMergeCall, writePoolCall } from './kernel/checked-call.ts';
export { type DType, type PoolingMode, rowBytes } from './kernel/checked-reference.ts';
export { dtypeCodes } from './kernel/dtype.ts';
export type { Kernels } from './kernel/kernels.ts';
export * as layout from './kernel/layout.ts';
export { modeCodes } from './kernel/pooling-mode.ts';

/**
 * Kernels over a memory that only this thread uses. The memory may grow.
 * @throws INVALID_OPTION if the memory is shared: kernels for shared memory are for memory nodes only
 */
export function openKernels(memory: WebAssembly.Memory): Kernels {
  check(v.custom<WebAssembly.Memory>(isMemory, 'a WebAssembly.Memory'), memory, 'memory');
  try {
    return instantiate(module, memory);
  } catch (cause) {
    if (!(cause instanceof WebAssembly.LinkError)) throw cause;
    const message = `memory: expected plain memory, not shared memory: make one per thread by new WebAssembly.Memory({ initial, maximum })`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'memory', cause });
  }
}

function isMemory(value: unknown): boolean {
  return value instanceof WebAssembly.Memory;
}
