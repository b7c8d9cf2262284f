import { readFileSync } from 'node:fs';
import type { Kernels } from './kernels.ts';
import { instantiate, uncompiled } from './wasm.ts';

const modules = new Map<string, WebAssembly.Module>();

/** A module of this package, compiled once. @param name of its file in wasm/ @throws MISSING_DEPENDENCY */
export function moduleFromFile(name: string): WebAssembly.Module {
  let module = modules.get(name);
  if (!module) {
    module = compiled(name, readFileSync(new URL(`../../wasm/${name}`, import.meta.url)));
    modules.set(name, module);
  }
  return module;
}

function compiled(name: string, bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes);
  } catch (cause) {
    throw uncompiled(`wasm/${name}`, cause);
  }
}

/** The kernels: built for shared memory (workers) or plain memory. @throws MISSING_DEPENDENCY */
export function kernelModule(build: 'shared' | 'plain'): WebAssembly.Module {
  return moduleFromFile(`kernels.${build}.wasm`);
}

/** Kernels over a memory, shared or plain: the build follows the memory. */
export function instantiateKernels(memory: WebAssembly.Memory): Kernels {
  return instantiate(kernelModule(memory.buffer instanceof SharedArrayBuffer ? 'shared' : 'plain'), memory);
}
