import { compiled } from '../kernel/wasm.ts';

/** @throws MISSING_DEPENDENCY where the runtime has no SIMD; what `fetch` throws */
export async function fetchModule(url: URL): Promise<WebAssembly.Module> {
  return compiled(await (await fetch(url)).arrayBuffer());
}
