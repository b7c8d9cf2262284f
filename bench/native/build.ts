// Compiles the bars and the programs with the g++ of this machine into build/, once for each combination of sources,
// call layout, compiler and processor.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as askLayout from '../../src/kernel/ask-layout.ts';
import * as cacheLayout from '../../src/kernel/cache-layout.ts';
import * as layout from '../../src/kernel/layout.ts';

const here: string = fileURLToPath(new URL('.', import.meta.url));
const includes: string = fileURLToPath(
  new URL('../../node_modules/node-api-headers/include', import.meta.url),
);
// gcc 12 warns wrongly that the operands of its own AVX-512 intrinsics are uninitialised.
const gccBug105593: string[] = ['-Wno-uninitialized', '-Wno-maybe-uninitialized'];
const flags: string[] = ['-std=c++17', '-O3', '-march=native', '-Wall'];
const barFlags: string[] = [
  ...flags,
  // The numeric contract rounds every product.
  '-ffp-contract=off',
  '-shared',
  '-fPIC',
  '-Wno-ignored-attributes',
  ...gccBug105593,
];
/** Sources of programs. All other sources belong to the bars. */
const echoSource = 'epoll_echo.cc';
const readSource = 'read_and_check.cc';

/** First line of `g++ --version`, or undefined if there is no g++. */
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

/** A C++ header with the layouts of blocks, because the bars read the same blocks as the kernels. */
function layoutHeader(): string {
  const constants = Object.entries({ ...layout, ...askLayout, ...cacheLayout }).map(
    ([name, value]) => `constexpr uint32_t ${name} = ${value}u;\n`,
  );
  return `#pragma once\n#include <cstdint>\nnamespace layout {\n${constants.join('')}}\n`;
}

/** The meaning of `-march=native` on this machine. An add-on that was built for another processor would crash. */
function targetOptions(): string {
  return execFileSync('g++', ['-march=native', '-Q', '--help=target'], { encoding: 'utf8' });
}

/** @returns path of the add-on; undefined if g++ fails, after it has printed the reason */
export function buildBars(compiler: string): string | undefined {
  const header = layoutHeader();
  mkdirSync(`${here}build`, { recursive: true });
  writeFileSync(`${here}build/layout.h`, header);
  const sources = readdirSync(here).filter(
    (name) => /\.(cc|h)$/.test(name) && name !== echoSource && name !== readSource,
  );
  const options = [...barFlags, '-I', includes, '-I', `${here}build`];
  return compile('bars', '.node', { sources, options, depends: [compiler, header] });
}

/** @returns path of the program; undefined if g++ fails, after it has printed the reason */
export function buildEpollEcho(compiler: string): string | undefined {
  return compile('epoll-echo', '', { sources: [echoSource], options: flags, depends: [compiler] });
}

/** @returns path of the program; undefined if g++ fails, after it has printed the reason */
export function buildReadAndCheck(compiler: string): string | undefined {
  const options = [...flags, '-pthread'];
  return compile('read-and-check', '', { sources: [readSource], options, depends: [compiler] });
}

interface Unit {
  readonly sources: readonly string[];
  readonly options: readonly string[];
  /** Other inputs that change the result. */
  readonly depends: readonly string[];
}

function compile(name: string, suffix: string, { sources, options, depends }: Unit): string | undefined {
  const hash = createHash('sha256').update([...depends, targetOptions(), ...options].join('\n'));
  for (const source of sources) hash.update(readFileSync(here + source));
  const path = `${here}build/${name}-${hash.digest('hex').slice(0, 16)}${suffix}`;
  if (existsSync(path)) return path;
  mkdirSync(`${here}build`, { recursive: true });
  const units = sources.filter((source) => source.endsWith('.cc')).map((source) => here + source);
  const { status } = spawnSync('g++', [...options, '-o', path, ...units], { stdio: 'inherit' });
  return status === 0 ? path : undefined;
}
