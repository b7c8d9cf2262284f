// For browsers: fetches modules from the server of the page.
import * as urls from '../../../wasm/component.urls.js';
import { componentBytesMax } from '../../limits.ts';
import type { CoreModules } from '../core-modules.ts';
import { fetchModule } from '../fetch-module.ts';

const [core, core2, core3] = await Promise.all([urls.core, urls.core2, urls.core3].map(fetchModule));

export const cores: CoreModules = {
  'flexemr.core.wasm': core,
  'flexemr.core2.wasm': core2,
  'flexemr.core3.wasm': core3,
};

export const memoryBytes: number = componentBytesMax;
