// Compiles the bars with the machine's g++ into build/, once for each (sources, contract, compiler, processor).
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as layout from '../../src/kernel/layout.ts';

const here: string = fileURLToPath(new URL('.', import.meta.url));
const includes: string = fileURLToPath(
  new URL('../../node_modules/node-api-headers/include', import.meta.url),
);
// gcc 12 calls the operands of its own AVX-512 intrinsics uninitialised.
const gccBug105593: string[] = ['-Wno-uninitialized', '-Wno-maybe-uninitialized'];
const flags: string[] = [
  '-std=c++17',
  '-O3',
  '-march=native',
  // The contract rounds every product.
  '-ffp-contract=off',
  '-shared',
  '-fPIC',
  '-Wall',
  '-Wno-ignored-attributes',
  ...gccBug105593,
];

/** First line of `g++ --version`, or undefined where there is no g++. */
export function compilerVersion(): string | undefined {
  try {
    return execFileSync('g++', ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** The call block, for C++: the bars read the very blocks the kernels read. */
function layoutHeader(): string {
  const constants = Object.entries(layout).map(
    ([name, value]) => `constexpr uint32_t ${name} = ${value}u;\n`,
  );
  return `#pragma once\n#include <cstdint>\nnamespace layout {\n${constants.join('')}}\n`;
}

/** What `-march=native` means here: an add-on built for another processor would crash. */
function targetOptions(): string {
  return execFileSync('g++', ['-march=native', '-Q', '--help=target'], { encoding: 'utf8' });
}

/** @returns path of the add-on; undefined where g++ fails, after it has said why */
export function buildBars(compiler: string): string | undefined {
  const header = layoutHeader();
  const sources = readdirSync(here).filter((name) => /\.(cc|h)$/.test(name));
  const hash = createHash('sha256').update([compiler, targetOptions(), header, ...flags].join('\n'));
  for (const name of sources) hash.update(readFileSync(here + name));
  const path = `${here}build/bars-${hash.digest('hex').slice(0, 16)}.node`;
  if (existsSync(path)) return path;
  mkdirSync(`${here}build`, { recursive: true });
  writeFileSync(`${here}build/layout.h`, header);
  const units = sources.filter((name) => name.endsWith('.cc')).map((name) => here + name);
  const { status } = spawnSync(
    'g++',
    [...flags, '-I', includes, '-I', `${here}build`, '-o', path, ...units],
    {
      stdio: 'inherit',
    },
  );
  return status === 0 ? path : undefined;
}
