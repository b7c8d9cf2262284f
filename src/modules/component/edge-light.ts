// Imports modules in the form that bundlers for edge-light require.
import core from '../../../wasm/component/flexemr.core.wasm?module';
import core2 from '../../../wasm/component/flexemr.core2.wasm?module';
import core3 from '../../../wasm/component/flexemr.core3.wasm?module';
import { edgeComponentBytes } from '../../limits.ts';
import type { CoreModules } from '../core-modules.ts';

export const cores: CoreModules = {
  'flexemr.core.wasm': core,
  'flexemr.core2.wasm': core2,
  'flexemr.core3.wasm': core3,
};

export const memoryBytes: number = edgeComponentBytes;
