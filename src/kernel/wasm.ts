import { FlexemrError } from '../errors.ts';
import type { Kernels } from './kernels.ts';

/** Kernels over a memory. Shared memory takes the shared build of the module, plain memory the plain build. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}

/** A module with a function that splats a byte. Every runtime with SIMD accepts it. */
// biome-ignore format: one section a line
const splat = Uint8Array.of(
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  1, 5, 1, 0x60, 0, 1, 0x7b,
  3, 2, 1, 0,
  10, 8, 1, 6, 0, 0x41, 0, 0xfd, 0x0f, 0x0b,
);

/** The error if a module does not compile: MISSING_DEPENDENCY if the runtime has no SIMD, otherwise INVALID_FILE. */
export function uncompiled(file: string, cause: unknown): FlexemrError {
  const why = (cause as Error).message;
  if (WebAssembly.validate(splat)) {
    const message = `${file} is not the WebAssembly file of this version of flexemr: install flexemr again (${why})`;
    return new FlexemrError('INVALID_FILE', message, { field: 'WebAssembly', value: file, cause });
  }
  const problem = `this runtime cannot compile ${file}: the kernels need WebAssembly SIMD`;
  const message = `${problem} (${why}). Use a newer runtime, or a processor with SSE4.1 or NEON.`;
  return new FlexemrError('MISSING_DEPENDENCY', message, { field: 'WebAssembly', cause });
}
