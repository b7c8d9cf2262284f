// The modules must be served beside this file, or beside the script that a bundler has made from it.
export const core = new URL('./component/flexemr.core.wasm', import.meta.url);
export const core2 = new URL('./component/flexemr.core2.wasm', import.meta.url);
export const core3 = new URL('./component/flexemr.core3.wasm', import.meta.url);
