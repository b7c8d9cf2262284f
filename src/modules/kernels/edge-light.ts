// Imports modules in the form that bundlers for edge-light require.
import compiled from '../../../wasm/kernels.plain.wasm?module';

export const kernels: WebAssembly.Module = compiled;
