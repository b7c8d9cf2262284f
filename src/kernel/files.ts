import { readFileSync } from 'node:fs';
import type { Kernels } from './kernels.ts';
import { instantiate } from './wasm.ts';

const modules = new Map<string, WebAssembly.Module>();

/** The kernels of this package, compiled: built for shared memory (workers) or plain memory. */
export function kernelModule(build: 'shared' | 'plain'): WebAssembly.Module {
  let module = modules.get(build);
  if (!module) {
    module = new WebAssembly.Module(
      readFileSync(new URL(`../../wasm/kernels.${build}.wasm`, import.meta.url)),
    );
    modules.set(build, module);
  }
  return module;
}

/** Kernels over a memory, shared or plain: the build follows the memory. */
export function instantiateKernels(memory: WebAssembly.Memory): Kernels {
  return instantiate(kernelModule(memory.buffer instanceof SharedArrayBuffer ? 'shared' : 'plain'), memory);
}
