/** A module that the runtime compiles before it starts. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
