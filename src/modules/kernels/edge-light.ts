// As bundlers for edge-light ask for modules.
import compiled from '../../../wasm/kernels.plain.wasm?module';

export const kernels: WebAssembly.Module = compiled;
