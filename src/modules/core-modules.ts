/** The component's core modules, by the names that jco gives them. */
export interface CoreModules {
  readonly 'flexemr.core.wasm': WebAssembly.Module;
  readonly 'flexemr.core2.wasm': WebAssembly.Module;
  readonly 'flexemr.core3.wasm': WebAssembly.Module;
}
