// For browsers: fetches modules from the server of the page.
import { ranker as url } from '../../../wasm/kernels.urls.js';
import { fetchModule } from '../fetch-module.ts';

export const ranker: WebAssembly.Module = await fetchModule(url);
