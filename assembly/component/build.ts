// Builds wasm/flexemr.component.wasm, which is the kernels with the interface of wasm/flexemr.wit. From this component,
// jco then makes wasm/component/, which is the same as JavaScript and core modules.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';
import asc from 'assemblyscript/asc';
import { renameExports } from './exports.ts';

const root: string = fileURLToPath(new URL('../..', import.meta.url));
/** Pages of 64 KiB, just under 2 GiB. This is twice what may be held, so that all of it fits into fragmented memory. */
const pagesMax = 32_767;
const flags = `--runtime minimal --noAssert -O3s --converge --enable simd,bulk-memory --disable threads --use abort= --disableWarning 201 --initialMemory 2 --maximumMemory ${pagesMax} --exportMemory`;

const pooling = 'cm32p2|flexemr:kernels/pooling@0.1|';
/** The component model's names for the exports of component.ts. One function may have several names. */
const names: Readonly<Record<string, readonly string[]>> = {
  createTable: [`${pooling}[static]table.create`],
  pool: [`${pooling}[method]table.pool`],
  gather: [`${pooling}[method]table.gather`],
  poolRows: [`${pooling}pool`],
  merge: [`${pooling}merge`],
  deduplicate: [`${pooling}deduplicate`],
  createKeyIndex: [`${pooling}[static]key-index.create`],
  insert: [`${pooling}[method]key-index.insert`],
  find: [`${pooling}[method]key-index.find`],
  remove: [`${pooling}[method]key-index.remove`],
  count: [`${pooling}[method]key-index.count`],
  freeTable: [`${pooling}table_dtor`],
  freeIndex: [`${pooling}key-index_dtor`],
  freePooled: ['[method]table.pool', 'pool', 'merge'].map((name) => `${pooling}${name}_post`),
  freeFloats: [`${pooling}[method]table.gather_post`],
  freeDeduplicated: [`${pooling}deduplicate_post`],
  freeSlots: ['find', 'remove'].map((name) => `${pooling}[method]key-index.${name}_post`),
  realloc: ['cm32p2_realloc'],
  initialize: ['cm32p2_initialize'],
  memory: ['cm32p2_memory'],
};

async function core(): Promise<Uint8Array> {
  const out = join(root, 'wasm/component/core.wasm');
  const args = ['assembly/component/component.ts', '-o', out, '--baseDir', root, ...flags.split(' ')];
  const { error, stderr } = await asc.main(args);
  if (error) throw new Error(`${stderr.toString()}${error.message}`);
  const bytes = renameExports(readFileSync(out), names);
  rmSync(out);
  return bytes;
}

/** Parts of the code that jco writes, and what they are replaced by. */
const replacements: readonly (readonly [RegExp, string])[] = [
  // A directive that bundlers warn about and that nothing uses.
  [/^"use components";\n/, ''],
  // Its log, which reads the environment in every call.
  [/const _debugLog = \(\.\.\.args\) => \{.*?\n {2}\};\n/s, 'const _debugLog = () => {};\n'],
  // Two promises per call that nothing awaits, because none of our exports is asynchronous.
  [/(promise: completionPromise,.*?\} = )promiseWithResolvers\(\)/s, '$1_unawaited'],
  [/(promise: exitPromise,.*?\} = )promiseWithResolvers\(\)/s, '$1_unawaited'],
  [/completionPromise\.catch\(\(\) => \{\}\);/, ''],
  [
    /function promiseWithResolvers\(\)/,
    'const _unawaited = { promise: new Promise(() => {}), resolve() {}, reject() {} };\n  $&',
  ],
];

/** Replaces parts that take half of the time of a small call and have no visible effect. */
function lean(script: Uint8Array): Uint8Array {
  const text = replacements.reduce((before, [what, instead]) => {
    if (!what.test(before)) throw new Error(`jco no longer writes ${what}`);
    return before.replace(what, instead);
  }, new TextDecoder().decode(script));
  return new TextEncoder().encode(text);
}

/** The component, and the files that jco makes. Every build gives the same bytes. */
export async function buildComponent(): Promise<Map<string, Uint8Array>> {
  const witSource = readFileSync(join(root, 'wasm/flexemr.wit'), 'utf8');
  const component = await componentNew(
    await componentEmbed({ binary: await core(), witSource, world: 'kernels' }),
  );
  const { files } = await transpileBytes(component, {
    name: 'flexemr',
    instantiation: 'sync',
    nodejsCompat: false,
    tracing: false,
    validLiftingOptimization: true,
  });
  const built = new Map(
    Object.entries(files).map(([name, bytes]) => [
      `component/${name}`,
      name.endsWith('.js') ? lean(bytes) : bytes,
    ]),
  );
  return built.set('flexemr.component.wasm', component);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(join(root, 'wasm/component'), { recursive: true, force: true });
  mkdirSync(join(root, 'wasm/component'), { recursive: true });
  for (const [name, bytes] of await buildComponent()) {
    const file = join(root, 'wasm', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}
