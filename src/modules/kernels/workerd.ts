// Modules that workerd compiles before it starts, because it cannot compile any later.
import compiled from '../../../wasm/kernels.plain.wasm';

export const kernels: WebAssembly.Module = compiled;
