/// <reference lib="esnext.disposable" preserve="true" />
// What our types need of libraries that a program may not have: every runtime has these, each in a library of its own.
// Interfaces of the same name are one, so what a library says of them is added to this.
export {};

declare global {
  interface AbortSignal {}
  namespace WebAssembly {
    interface Module {}
    interface Memory {}
  }
}
