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
 * A file of this package. It may be missing, because bundlers copy the code of a package but not such files.
 * @param path of the file, relative to the module with the address `from`; the path of a script has no extension
 * @throws MISSING_DEPENDENCY if the file does not exist
 */
export function packageFile(path: string, from: string): URL {
  const isScript = !/\.\w+$/.test(path);
  const file = new URL(isScript ? `${path}${from.endsWith('.ts') ? '.ts' : '.js'}` : path, from);
  if (existsSync(file)) return file;
  const problem = `a file of the flexemr package is missing: ${file.pathname}`;
  const advice =
    'If a bundler has built this program, mark flexemr as external: --external:flexemr (esbuild), externals (webpack), ssr.external (Vite). Otherwise install flexemr again.';
  throw new FlexemrError('MISSING_DEPENDENCY', `${problem}. ${advice}`, {
    field: 'flexemr',
    value: file.pathname,
  });
}

/** The version of this package. @throws MISSING_DEPENDENCY */
export function packageVersion(): string {
  return JSON.parse(readFileSync(packageFile('../../package.json', import.meta.url), 'utf8')).version;
}

function compiled(name: string, bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes);
  } catch (cause) {
    throw uncompiled(`wasm/${name}`, cause);
  }
}

/**
 * The kernels: built for shared memory (workers) or plain memory; `ranker` is the part of the latter that rankers need.
 * @throws MISSING_DEPENDENCY
 */
export function kernelModule(build: 'shared' | 'plain' | 'ranker'): WebAssembly.Module {
  return moduleFromFile(`kernels.${build}.wasm`);
}

/** Kernels over a memory. Shared memory takes the shared build, plain memory the plain build. */
export function instantiateKernels(memory: WebAssembly.Memory): Kernels {
  return instantiate(kernelModule(memory.buffer instanceof SharedArrayBuffer ? 'shared' : 'plain'), memory);
}
