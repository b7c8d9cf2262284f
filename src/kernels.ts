// The kernels by themselves: pointers in, status out. A call is a block in memory that `writePoolCall` writes.
import { kernels as module } from '#kernels';
import { FlexemrError } from './errors.ts';
import type { Kernels } from './kernel/kernels.ts';
import { instantiate } from './kernel/wasm.ts';

export { type ErrorCode, FlexemrError } from './errors.ts';
export {
  type BagBuffers,
  dtypeCodes,
  type MergeBuffers,
  type MissingPolicy,
  modeCodes,
  type PoolOptions,
  type ShardRows,
  writeMergeCall,
  writePoolCall,
} from './kernel/call.ts';
export type { Kernels } from './kernel/kernels.ts';
export * as layout from './kernel/layout.ts';
export { type DType, type PoolingMode, rowBytes } from './kernel/reference.ts';

/**
 * Kernels over a memory of this thread's own, which may grow.
 * @throws INVALID_OPTION where it is shared: those kernels are the memory nodes'
 */
export function openKernels(memory: WebAssembly.Memory): Kernels {
  try {
    return instantiate(module, memory);
  } catch (cause) {
    if (!(cause instanceof WebAssembly.LinkError)) throw cause;
    const message = `memory: expected plain memory, not shared: new WebAssembly.Memory({ initial, maximum }), one a thread (${cause.message})`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'memory', cause });
  }
}
