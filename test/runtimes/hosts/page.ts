// The conformance run in a page, which a test controls.
import { conform } from './conformance.ts';

async function moduleOf(url: string): Promise<WebAssembly.Module> {
  return await WebAssembly.compileStreaming(fetch(url));
}

const modules = Promise.all([moduleOf('/kernels.wasm'), moduleOf('/conformance.wasm')]);

Object.assign(globalThis, {
  async conform(): Promise<string> {
    const [kernels, conformance] = await modules;
    const input = await (await fetch('/input')).arrayBuffer();
    return conform(kernels, conformance, new Uint8Array(input));
  },
});
