import { existsSync, readFileSync } from 'node:fs';
import { FlexemrError } from '../errors.ts';
import type { Kernels } from './kernels.ts';
import { instantiate, uncompiled } from './wasm.ts';

const modules = new Map<string, WebAssembly.Module>();

/** A module of this package, compiled once. @param name of its file in wasm/ @throws MISSING_DEPENDENCY */
export function moduleFromFile(name: string): WebAssembly.Module {
  let module = modules.get(name);
  if (!module) {
    module = compiled(name, readFileSync(packageFile(`../../wasm/${name}`, import.meta.url)));
    modules.set(name, module);
  }
  return module;
}

/**
 * A file of this package. Bundlers take programs apart and leave such files behind.
 * @param path of it, beside the module whose address is `from`; a script without its ending
 * @throws MISSING_DEPENDENCY where it is not there
 */
export function packageFile(path: string, from: string): URL {
  const isScript = !/\.\w+$/.test(path);
  const file = new URL(isScript ? `${path}${from.endsWith('.ts') ? '.ts' : '.js'}` : path, from);
  if (existsSync(file)) return file;
  const problem = `a file that flexemr was installed with is not at ${file.pathname}`;
  const advice =
    'If a bundler has put this program together, mark flexemr as external: --external:flexemr (esbuild), externals (webpack), ssr.external (Vite). Otherwise install flexemr again.';
  throw new FlexemrError('MISSING_DEPENDENCY', `${problem}. ${advice}`, {
    field: 'flexemr',
    value: file.pathname,
  });
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
