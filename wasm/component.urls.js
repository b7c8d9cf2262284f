// Beside the modules, wherever they are served; in a script that a bundler made, beside that script.
export const core = new URL('./component/flexemr.core.wasm', import.meta.url);
export const core2 = new URL('./component/flexemr.core2.wasm', import.meta.url);
export const core3 = new URL('./component/flexemr.core3.wasm', import.meta.url);
