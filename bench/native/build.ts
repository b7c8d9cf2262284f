// Compiles the bars and the echo program with the machine's g++ into build/, once for each (sources, contract,
// compiler, processor).
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
const flags: string[] = ['-std=c++17', '-O3', '-march=native', '-Wall'];
const barFlags: string[] = [
  ...flags,
  // The contract rounds every product.
  '-ffp-contract=off',
  '-shared',
  '-fPIC',
  '-Wno-ignored-attributes',
  ...gccBug105593,
];
/** Programs; all other sources are the bars'. */
const echoSource = 'epoll_echo.cc';
const readSource = 'read_and_check.cc';

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
  mkdirSync(`${here}build`, { recursive: true });
  writeFileSync(`${here}build/layout.h`, header);
  const sources = readdirSync(here).filter(
    (name) => /\.(cc|h)$/.test(name) && name !== echoSource && name !== readSource,
  );
  const options = [...barFlags, '-I', includes, '-I', `${here}build`];
  return compile('bars', '.node', { sources, options, depends: [compiler, header] });
}

/** @returns path of the program; undefined where g++ fails, after it has said why */
export function buildEpollEcho(compiler: string): string | undefined {
  return compile('epoll-echo', '', { sources: [echoSource], options: flags, depends: [compiler] });
}

/** @returns path of the program; undefined where g++ fails, after it has said why */
export function buildReadAndCheck(compiler: string): string | undefined {
  const options = [...flags, '-pthread'];
  return compile('read-and-check', '', { sources: [readSource], options, depends: [compiler] });
}

interface Unit {
  readonly sources: readonly string[];
  readonly options: readonly string[];
  /** What else makes a difference. */
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
