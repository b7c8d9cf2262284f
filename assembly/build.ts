// Builds wasm/kernels.shared.wasm and wasm/kernels.plain.wasm from the same source, the part of the latter that rankers
// need (kernels.ranker.wasm), and wasm/flexemr.h, their contract for C, from src/kernel/layout.ts.
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import * as layout from '../src/kernel/layout.ts';

const root: string = fileURLToPath(new URL('..', import.meta.url));

// -O3s, not -O3: it keeps row loops out of the functions that call them, where V8 would unroll and spill them.
// Never use traps-never-happen: it would remove loads whose values are dropped, by which the kernels read ahead.
const common: string =
  '--runtime stub --noAssert -O3s --converge --enable simd,bulk-memory --importMemory --use abort= --disableWarning 201';
const plainMemory: string = '--disable threads --initialMemory 1';
const builds = {
  shared: ['assembly/kernels.ts', '--enable threads --sharedMemory --initialMemory 1 --maximumMemory 65536'],
  plain: ['assembly/kernels.ts', plainMemory],
  ranker: ['assembly/ranker.ts', plainMemory],
} as const;

/** Arguments of the compiler for one of the builds. */
export function options(build: keyof typeof builds, outFile: string): string[] {
  const [source, memory] = builds[build];
  return [source, '-o', outFile, '--baseDir', root, ...`${common} ${memory}`.split(' ')];
}

/** The offsets of the fields of call blocks, and the codes. src/kernel/layout.ts describes them. */
function header(): string {
  const lines = Object.entries(layout).map(([name, value]) => `#define FLEXEMR_${name} ${value}u`);
  return ['#ifndef FLEXEMR_H_', '#define FLEXEMR_H_', ...lines, '#endif', ''].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // Files of an earlier build must not get into the package.
  rmSync(`${root}dist`, { recursive: true, force: true });
  for (const build of ['shared', 'plain', 'ranker'] as const) {
    const { error, stderr } = await asc.main(options(build, `wasm/kernels.${build}.wasm`));
    if (error) throw new Error(`${stderr.toString()}${error.message}`);
  }
  writeFileSync(`${root}wasm/flexemr.h`, header());
}
