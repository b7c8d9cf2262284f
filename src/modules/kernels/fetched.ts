// From beside this file, wherever it is served: browsers.
import { fetchModule } from '../fetch-module.ts';

export const kernels: WebAssembly.Module = await fetchModule(
  new URL('../../../wasm/kernels.plain.wasm', import.meta.url),
);
