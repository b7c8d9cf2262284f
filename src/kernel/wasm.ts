import { FlexemrError } from '../errors.ts';
import type { Kernels } from './kernels.ts';

/** Kernels over a memory: shared memory takes the shared build of the module, plain memory the plain one. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}

/** A module of this package. @throws MISSING_DEPENDENCY where the runtime has no SIMD */
export function compiled(bytes: BufferSource): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes);
  } catch (cause) {
    const problem = 'this runtime cannot compile the kernels: they need WebAssembly SIMD';
    const message = `${problem} (${(cause as Error).message}). Take a newer runtime, or a processor with SSE4.1 or NEON.`;
    throw new FlexemrError('MISSING_DEPENDENCY', message, { field: 'WebAssembly', cause });
  }
}
