// Compiled by the runtime before it starts: workerd compiles none later.
import compiled from '../../../wasm/kernels.plain.wasm';

export const kernels: WebAssembly.Module = compiled;
