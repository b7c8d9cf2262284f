import { readFileSync } from 'node:fs';
import type { Kernels } from './kernels.ts';

const modules = new Map<string, WebAssembly.Module>();

function compiled(build: 'shared' | 'plain'): WebAssembly.Module {
  let module = modules.get(build);
  if (!module) {
    module = new WebAssembly.Module(readFileSync(new URL(`../../wasm/kernels.${build}.wasm`, import.meta.url)));
    modules.set(build, module);
  }
  return module;
}

/** Kernels over a memory, shared or plain: the build follows the memory. */
export function instantiateKernels(memory: WebAssembly.Memory): Kernels {
  const build = memory.buffer instanceof SharedArrayBuffer ? 'shared' : 'plain';
  return new WebAssembly.Instance(compiled(build), { env: { memory } }).exports as unknown as Kernels;
}
