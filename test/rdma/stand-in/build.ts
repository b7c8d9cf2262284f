// Compiles the stand-in, its controls for JavaScript and its self test into build/ with the g++ of the machine, once
// for each combination of sources, options and compiler.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here: string = fileURLToPath(new URL('.', import.meta.url));
const includes: string = fileURLToPath(
  new URL('../../../node_modules/node-api-headers/include', import.meta.url),
);
/** Like in native/build.ts. */
const sanitizers: string | undefined = process.env.SANITIZE;
const flags: readonly string[] = [
  ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-pthread'],
  ...(sanitizers === undefined
    ? []
    : [`-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g']),
];
// Symbols are hidden from the real libibverbs. The library is never unloaded, because ending threads run its code.
const sharedFlags: readonly string[] = ['-shared', '-fPIC', '-fvisibility=hidden', '-Wl,-z,nodelete'];
/** Part of the add-on, not of the library. */
const addonSource = 'control_addon.cc';

/** @returns the missing Debian packages for building the stand-in, or undefined */
export function missingPackages(): string | undefined {
  const input = '#include <infiniband/verbs.h>\n';
  const { error, status } = spawnSync('g++', ['-fsyntax-only', '-x', 'c++', '-'], { input });
  if (error) return 'g++ libibverbs-dev';
  return status === 0 ? undefined : 'libibverbs-dev';
}

/** @returns path of the library, for dlopen */
export function buildStandIn(): string {
  const sources = sourcesIn('.').filter((source) => !source.endsWith(addonSource));
  return compile('libibverbs-stand-in', '.so', sources, [...flags, ...sharedFlags, '-Wl,-Bsymbolic']);
}

/** @returns path of the add-on */
export function buildControls(): string {
  const options = [...flags, ...sharedFlags, '-I', includes];
  return compile('control', '.node', [addonSource, 'stand_in.h'], options);
}

/** @returns path of the program, linked with `library` */
export function buildSelfTest(library: string): string {
  return compile('self-test', '', [...sourcesIn('self-test'), 'stand_in.h'], flags, [library]);
}

/** @returns path of the library of planted faults */
export function buildPlanted(): string {
  return compile('planted', '.so', ['../sanitizers/planted.cc'], [...flags, ...sharedFlags]);
}

function sourcesIn(folder: string): string[] {
  const names = readdirSync(here + folder).filter((name) => /\.(cc|h)$/.test(name));
  return names.sort().map((name) => `${folder}/${name}`);
}

/** @throws Error if g++ fails, which has printed the reason */
function compile(
  name: string,
  suffix: string,
  sources: readonly string[],
  options: readonly string[],
  libraries: readonly string[] = [],
): string {
  const compiler = execFileSync('g++', ['--version'], { encoding: 'utf8' });
  const hash = createHash('sha256').update([compiler, ...options, ...libraries].join('\n'));
  for (const source of sources) hash.update(readFileSync(here + source));
  const path = `${here}build/${name}-${hash.digest('hex').slice(0, 16)}${suffix}`;
  if (existsSync(path)) return path;
  mkdirSync(`${here}build`, { recursive: true });
  const units = sources.filter((source) => source.endsWith('.cc')).map((source) => here + source);
  // Compiles to a temporary file and renames it, because other processes may need the complete file.
  const beside = `${path}.${process.pid}`;
  const { status } = spawnSync('g++', [...options, '-o', beside, ...units, ...libraries], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`g++ failed to compile ${name}`);
  renameSync(beside, path);
  return path;
}
