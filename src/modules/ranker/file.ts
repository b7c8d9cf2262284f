// For Node.js, Deno and Bun: reads modules from the folder of the package.
import { kernelModule } from '../../kernel/files.ts';

export const ranker: WebAssembly.Module = kernelModule('ranker');
