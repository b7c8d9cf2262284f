// For browsers: fetches modules from the server of the page.
import { kernels as url } from '../../../wasm/kernels.urls.js';
import { fetchModule } from '../fetch-module.ts';

export const kernels: WebAssembly.Module = await fetchModule(url);
