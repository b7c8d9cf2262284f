// Builds the parts of the conformance run into build/: the conformance module, the program for Wasmtime, C code and a
// shared library by wasm2c, and JavaScript for runtimes without TypeScript.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const here: string = import.meta.dirname;
const root: string = join(here, '../..');
/** The shipped kernels. */
export const kernels: string = join(root, 'wasm/kernels.plain.wasm');
export const built: string = join(here, 'build');
const tools = join(here, 'node_modules/.bin');
const flags =
  '--runtime stub --noAssert -O3 --enable simd,bulk-memory --disable threads --importMemory --initialMemory 1 --use abort= --disableWarning 201';
/** Without -ffast-math and fused multiply-add, because every runtime must give the same bits. */
const cflags: readonly string[] = ['-O2', '-march=native', '-fPIC', '-ffp-contract=off', '-w'];

/** The missing dependencies for C on this machine, or undefined. */
export const cMissing: string | undefined =
  existsSync('/usr/include/simde') && existsSync('/usr/bin/gcc')
    ? undefined
    : 'apt-get install gcc libsimde-dev';

async function assemble(source: string): Promise<string> {
  const out = join(built, `${source}.wasm`);
  const args = [join(here, `assembly/${source}.ts`), '-o', out, '--baseDir', '/', ...flags.split(' ')];
  const { error, stderr } = await asc.main(args);
  if (error) throw new Error(`${stderr.toString()}${error.message}`);
  return out;
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Merges the conformance run and the shipped kernels into one module with its own memory. */
function merge(standalone: string): void {
  const memory = join(built, 'memory.wasm');
  writeFileSync(`${memory}.wat`, '(module (memory (export "memory") 1))');
  const binaryen = (tool: string): string => join(root, 'node_modules/.bin', tool);
  run(binaryen('wasm-as'), [`${memory}.wat`, '-o', memory]);
  const parts = [memory, 'env', kernels, 'kernels', standalone, 'main'];
  run(binaryen('wasm-merge'), [
    '-all',
    '--skip-export-conflicts',
    ...parts,
    '-o',
    join(built, 'program.wasm'),
  ]);
}

function toC(conformance: string): void {
  const include = ['-I', join(root, 'wasm'), '-I', built];
  const objects = Object.entries({ kernels, conformance }).map(([name, module]) => {
    const source = join(built, `${name}.c`);
    run(join(tools, 'wasm2c'), [module, '-n', name, '-o', source]);
    run('gcc', ['-c', ...cflags, ...include, source, '-o', `${source}.o`]);
    return `${source}.o`;
  });
  const link = [...cflags, ...include, join(here, 'hosts/conform.c'), ...objects, '-lm'];
  run('gcc', [...link, '-o', join(built, 'conform')]);
  run('gcc', [...link, '-shared', '-o', join(built, 'libconform.so')]);
}

/** Skips C if its tools are missing. The runtimes that need it report that. */
export async function build(): Promise<void> {
  rmSync(built, { recursive: true, force: true });
  mkdirSync(built);
  const conformance = await assemble('conformance');
  merge(await assemble('standalone'));
  if (cMissing === undefined) toC(conformance);
  copyFileSync(kernels, join(built, 'kernels.wasm'));
  const external = ['./conformance.wasm', './kernels.wasm', 'node:*'].map((name) => `--external:${name}`);
  const hosts = ['process', 'workerd', 'page'].map((name) => join(here, `hosts/${name}.ts`));
  const target = ['--bundle', '--format=esm', '--target=es2022', `--outdir=${built}`, '--log-level=warning'];
  run(join(tools, 'esbuild'), [...hosts, ...target, ...external]);
}
