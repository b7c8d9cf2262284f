// The conformance run as a Worker: input is posted. Modules are compiled by the runtime, which compiles none later.

import { conform } from './conformance.ts';
import conformance from './conformance.wasm';
import kernels from './kernels.wasm';

export default {
  async fetch(request: Request): Promise<Response> {
    return new Response(conform(kernels, conformance, new Uint8Array(await request.arrayBuffer())));
  },
};
