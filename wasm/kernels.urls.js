// Beside the modules, wherever they are served; in a script that a bundler made, beside that script.
export const kernels = new URL('./kernels.plain.wasm', import.meta.url);
