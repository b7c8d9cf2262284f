// Imports modules in the form that bundlers for edge-light require.
import compiled from '../../../wasm/kernels.ranker.wasm?module';

export const ranker: WebAssembly.Module = compiled;
