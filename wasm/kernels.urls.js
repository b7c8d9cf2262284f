// The modules must be served beside this file, or beside the script that a bundler has made from it.
export const kernels = new URL('./kernels.plain.wasm', import.meta.url);
export const ranker = new URL('./kernels.ranker.wasm', import.meta.url);
