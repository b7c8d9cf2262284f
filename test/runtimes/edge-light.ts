// Bundles the package for edge-light, and runs it in the context of the edge runtime, with modules compiled outside.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';

const here = import.meta.dirname;
const root = join(here, '../..');
const require = createRequire(join(here, 'package.json'));

interface Esbuild {
  build(options: object): Promise<{ readonly outputFiles: readonly { readonly text: string }[] }>;
}
interface EdgeVm {
  evaluate(code: string): Promise<unknown>;
}
interface Resolving {
  onResolve(
    options: { readonly filter: RegExp },
    resolve: (of: { readonly path: string; readonly resolveDir: string }) => object,
  ): void;
  onLoad(options: object, load: (of: { readonly path: string }) => object): void;
}

const program = `
import { openComponent } from 'flexemr/component';
import { openRanker, FlexemrError } from 'flexemr/edge';
import { openKernels } from 'flexemr/kernels';

const table = openComponent().table({ dtype: 'f32', dim: 2, rows: Float32Array.of(1, 2, 10, 20) });
const bags = { keys: Uint32Array.of(0, 1), offsets: Uint32Array.of(0, 2) };
const pooled = [...table.pool(bags, { mode: 'mean' }).values].join();
let tooLarge;
try {
  openComponent().table({ dtype: 'int8', dim: 1, rows: new Uint8Array(54 * 2 ** 20) });
} catch ({ code }) {
  tooLarge = code;
}
const kernels = typeof openKernels(new WebAssembly.Memory({ initial: 1 })).pool;
globalThis.outcome = openRanker({ routing: { nodes: [], tables: [] } })
  .catch((error) => [pooled, tooLarge, kernels, error instanceof FlexemrError].join());
`;

/** @returns the problems; none if all is right */
export async function edgeLightProblems(): Promise<string[]> {
  const { build } = require('esbuild') as Esbuild;
  const modules: Record<string, WebAssembly.Module> = {};
  const compiledOutside = {
    name: 'modules',
    setup(bundle: Resolving): void {
      bundle.onResolve({ filter: /\.wasm\?module$/ }, ({ path, resolveDir }) => ({
        path: relative(root, join(resolveDir, path.replace('?module', ''))),
        namespace: 'module',
      }));
      bundle.onLoad({ filter: /.*/, namespace: 'module' }, ({ path }) => {
        modules[path] = new WebAssembly.Module(readFileSync(join(root, path)));
        return { contents: `export default modules[${JSON.stringify(path)}];` };
      });
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: root },
    ...{ bundle: true, write: false, format: 'iife', conditions: ['edge-light'], plugins: [compiledOutside] },
  });
  const { EdgeVM } = require('@edge-runtime/vm') as { readonly EdgeVM: new (options: object) => EdgeVm };
  const vm = new EdgeVM({ extend: (context: object) => Object.assign(context, { modules }) });
  await vm.evaluate(outputFiles[0].text);
  const outcome = await vm.evaluate('outcome');
  return outcome === '5.5,11,OUT_OF_MEMORY,function,true' ? [] : [String(outcome)];
}
