import type { Kernels } from './kernels.ts';

/** Kernels over a memory: shared memory takes the shared build of the module, plain memory the plain one. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
