// Builds the add-on with the machine's g++: dist/ibverbs.node, again only when a source or an option has changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here: string = fileURLToPath(new URL('.', import.meta.url));
const sources = `${here}src/`;
const output = `${here}dist/ibverbs.node`;
/** Renamed when it is whole, for the sake of processes that use the one before. */
const unfinished = `${output}.unfinished`;
/** What `output` was built from. */
const stamp = `${output}.hash`;

const headers: string = createRequire(import.meta.url)('node-api-headers').include_dir;
/** Sanitizers of g++ to build with: SANITIZE=address,undefined. The program that loads the add-on has to preload them. */
const sanitizers: string | undefined = process.env.SANITIZE;
const options: readonly string[] = [
  ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-fPIC', '-fvisibility=hidden', '-shared'],
  ...['-DNAPI_VERSION=8', `-I${headers}`],
  // Threads come and go, and what they share must not be unloaded with the first of them.
  '-Wl,-z,nodelete',
  ...(sanitizers === undefined
    ? []
    : [`-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-g']),
];

/** What is missing on this machine; undefined if nothing is. */
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
