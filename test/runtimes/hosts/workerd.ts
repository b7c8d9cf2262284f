// The conformance run as a Worker, which gets its input by POST. The runtime compiles modules only before it starts.

import { conform } from './conformance.ts';
import conformance from './conformance.wasm';
import kernels from './kernels.wasm';

export default {
  async fetch(request: Request): Promise<Response> {
    return new Response(conform(kernels, conformance, new Uint8Array(await request.arrayBuffer())));
  },
};
