/** A module that the runtime has compiled before it starts. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
