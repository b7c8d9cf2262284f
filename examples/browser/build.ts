// node build.ts FOLDER: the page, its scripts, the component's modules and what its bits should be, to be served from
// there by anything.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reference } from 'flexemr';
import { digestOf, dim, drawBags } from './bags.ts';

interface Esbuild {
  build(options: object): Promise<unknown>;
}

/** Digest of the bags' means, by the reference. */
function expectedDigest(): number {
  const { table, keys, offsets } = drawBags();
  const means = Array.from(offsets.subarray(1), (end, bag) => {
    const rows = Array.from(keys.subarray(offsets[bag], end), (key) =>
      table.subarray(key * dim, (key + 1) * dim),
    );
    const partial = reference.foldSegment('mean', dim, rows);
    return [...reference.mergePartials('mean', dim, [partial], false)];
  });
  return digestOf(Float32Array.from(means.flat()));
}

const here = import.meta.dirname;
const [folder] = process.argv.slice(2);
// From wherever it is installed: here, or beside the tests.
const { build } = createRequire(join(process.cwd(), 'package.json'))('esbuild') as Esbuild;
mkdirSync(folder, { recursive: true });
await build({
  entryPoints: ['page.ts', 'pooling.ts'].map((file) => join(here, file)),
  bundle: true,
  format: 'esm',
  conditions: ['browser'],
  target: 'es2022',
  outdir: folder,
});
cpSync(join(here, 'index.html'), join(folder, 'index.html'));
// Modules lie beside the scripts that use them.
const modules = fileURLToPath(new URL('wasm/component', import.meta.resolve('flexemr/package.json')));
cpSync(modules, join(folder, 'component'), { recursive: true });
writeFileSync(join(folder, 'expected.json'), JSON.stringify({ digest: expectedDigest() }));
