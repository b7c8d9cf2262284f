// Builds the add-on, dist/ibverbs.node, with the g++ of the machine. Does nothing if the sources, the options and the
// compiler are the same as for the last build.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here: string = fileURLToPath(new URL('.', import.meta.url));
const sources = `${here}src/`;
const output = `${here}dist/ibverbs.node`;
/** The compiler writes to this file, which is renamed when it is complete: processes may still use the old add-on. */
const unfinished = `${output}.unfinished`;
/** Contains the hash of what `output` was built from. */
const stamp = `${output}.hash`;

const headers: string = createRequire(import.meta.url)('node-api-headers').include_dir;
/** Sanitizers of g++ to build with: SANITIZE=address,undefined. The program that loads the add-on must preload them. */
const sanitizers: string | undefined = process.env.SANITIZE;
const options: readonly string[] = [
  ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-fPIC', '-fvisibility=hidden', '-shared'],
  ...['-DNAPI_VERSION=8', `-I${headers}`],
  // Threads share the state of the add-on, so it must stay loaded when one of them ends.
  '-Wl,-z,nodelete',
  ...(sanitizers === undefined
    ? []
    : [`-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g']),
];

/** @returns what is missing on this machine, or undefined if nothing is missing */
function missing(): string | undefined {
  const input = '#include <infiniband/verbs.h>\n';
  const { error, status } = spawnSync('g++', ['-fsyntax-only', '-x', 'c++', '-'], { input });
  if (error) return 'g++ is missing; on Debian: apt-get install g++ libibverbs-dev';
  return status === 0
    ? undefined
    : 'infiniband/verbs.h is missing; on Debian: apt-get install libibverbs-dev';
}

function inputs(): string {
  const compiler = spawnSync('g++', ['--version']).stdout;
  const hash = createHash('sha256').update(compiler).update(options.join('\n'));
  for (const file of readdirSync(sources).sort()) hash.update(file).update(readFileSync(sources + file));
  return hash.digest('hex');
}

/** @returns exit code */
function build(): number {
  const problem = missing();
  if (problem !== undefined) {
    console.error(problem);
    return 1;
  }
  const hash = inputs();
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return 0;
  mkdirSync(`${here}dist`, { recursive: true });
  const units = readdirSync(sources).filter((file) => file.endsWith('.cc'));
  const paths = units.map((file) => sources + file);
  const { status } = spawnSync('g++', [...options, '-o', unfinished, ...paths, '-ldl', '-pthread'], {
    stdio: 'inherit',
  });
  if (status !== 0) return status ?? 1;
  renameSync(unfinished, output);
  writeFileSync(stamp, hash);
  return 0;
}

process.exitCode = build();
