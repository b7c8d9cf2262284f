/// <reference lib="esnext.disposable" preserve="true" />
// Types that our declarations need, from libraries that a program may not have. Every runtime declares these types in a
// library of its own. TypeScript merges interfaces of the same name, so that what this library declares is added.
export {};

declare global {
  interface AbortSignal {}
  namespace WebAssembly {
    interface Module {}
    interface Memory {}
  }
}
