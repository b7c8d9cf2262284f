// Modules that workerd compiles before it starts, because it cannot compile any later.
import compiled from '../../../wasm/kernels.ranker.wasm';

export const ranker: WebAssembly.Module = compiled;
