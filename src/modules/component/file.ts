// For Node.js, Deno and Bun: reads modules from the folder of the package.
import { moduleFromFile } from '../../kernel/files.ts';
import { componentBytesMax } from '../../limits.ts';
import type { CoreModules } from '../core-modules.ts';

const load = (name: string): WebAssembly.Module => moduleFromFile(`component/${name}`);

export const cores: CoreModules = {
  'flexemr.core.wasm': load('flexemr.core.wasm'),
  'flexemr.core2.wasm': load('flexemr.core2.wasm'),
  'flexemr.core3.wasm': load('flexemr.core3.wasm'),
};

export const memoryBytes: number = componentBytesMax;
