// Cloudflare's runtime workerd, started by miniflare.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { built } from './build.ts';
import { type Runtime, readRun } from './runtime.ts';

const require = createRequire(join(import.meta.dirname, 'package.json'));

/** The used part of miniflare, whose own types exist only if it is installed. */
export interface Miniflare {
  readonly ready: Promise<URL>;
  dispatchFetch(url: string, init?: RequestInit): Promise<Response>;
  dispose(): Promise<void>;
}

/** @param options https://developers.cloudflare.com/workers/testing/miniflare */
export function openMiniflare(options: object): Miniflare {
  const { Miniflare } = require('miniflare') as { readonly Miniflare: new (options: object) => Miniflare };
  return new Miniflare(options);
}

export async function workerd(): Promise<Runtime> {
  const wasm = (name: string): { type: 'CompiledWasm'; path: string; contents: Buffer } => ({
    type: 'CompiledWasm',
    path: name,
    contents: readFileSync(join(built, name)),
  });
  const script = readFileSync(join(built, 'workerd.js'), 'utf8');
  const worker = openMiniflare({
    modules: [
      { type: 'ESModule', path: 'workerd.js', contents: script },
      wasm('kernels.wasm'),
      wasm('conformance.wasm'),
    ],
    compatibilityDate: '2026-01-01',
  });
  await worker.ready;
  return {
    name: 'workerd',
    missing: undefined,
    async run(input) {
      const response = await worker.dispatchFetch('http://worker/', { method: 'POST', body: input });
      const { digest } = readRun(await response.text());
      return { digest, seconds: undefined };
    },
    close: () => worker.dispose(),
  };
}
