// From the package's folder: Node.js, Deno and Bun.
import { kernelModule } from '../../kernel/files.ts';

export const kernels: WebAssembly.Module = kernelModule('plain');
