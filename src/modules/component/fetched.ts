// From beside this file, wherever it is served: browsers.
import type { CoreModules } from '../core-modules.ts';
import { fetchModule } from '../fetch-module.ts';

const [core, core2, core3] = await Promise.all([
  fetchModule(new URL('../../../wasm/component/flexemr.core.wasm', import.meta.url)),
  fetchModule(new URL('../../../wasm/component/flexemr.core2.wasm', import.meta.url)),
  fetchModule(new URL('../../../wasm/component/flexemr.core3.wasm', import.meta.url)),
]);

export const cores: CoreModules = {
  'flexemr.core.wasm': core,
  'flexemr.core2.wasm': core2,
  'flexemr.core3.wasm': core3,
};
