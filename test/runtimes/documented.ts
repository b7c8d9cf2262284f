// Runs the commands in docs/embedding.md. Each block runs in a folder where the package is installed, with the files
// that the text names.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { reference } from '../../src/index.ts';
import { cMissing } from './build.ts';
import { wizer, wizerPackage } from './processes.ts';
import { runMsMax } from './runtime.ts';

const here = import.meta.dirname;
const root = join(here, '../..');
/** The npm packages that commands install, and the folders where they are installed here. */
const tools: Readonly<Record<string, string>> = { wasm2c: here, 'wasm-as': root, 'wasm-merge': root };

export interface Way {
  /** The heading in the document. */
  readonly name: string;
  readonly commands: string;
  /** The files from `examples/` that the commands need. */
  readonly files: readonly string[];
  /** The missing dependencies on this machine, or undefined. */
  readonly missing: string | undefined;
}

/** The expected output of the examples: their bags, pooled by the reference. */
export function expectedOutput(): string {
  const rows = [
    [1, 2, 3],
    [10, 20, 30],
    [100, 200, 300],
    [-1, -2, -3],
  ].map((row) => Float32Array.from(row));
  const bags = [[0, 1], [], [2, 2, 3]];
  const pooled = bags.map((bag) => {
    const of = bag.map((row) => rows[row]);
    return reference.mergePartials('sum', 3, [reference.foldSegment('sum', 3, of)], false);
  });
  return pooled.map((values) => `${values.join(' ')}\n`).join('');
}

/** The sections of the document that have commands. */
export function ways(): Way[] {
  const text = readFileSync(join(root, 'docs/embedding.md'), 'utf8');
  return text.split(/^## /m).flatMap((section) => {
    const [, commands] = /```sh\n(.*?)```/s.exec(section) ?? [];
    if (commands === undefined || !section.includes('](../examples/')) return [];
    const files = [...section.matchAll(/\]\(\.\.\/(examples\/[^)]+)\)/g)].map(([, file]) => file);
    return [{ name: section.split('\n')[0], commands, files, missing: missingFor(commands) }];
  });
}

function missingFor(commands: string): string | undefined {
  if (commands.includes('gcc ')) return cMissing;
  return existsSync(wizer) ? undefined : `npm install ${wizerPackage}`;
}

/** Runs the commands. @returns their output */
export function follow({ commands, files }: Way): string {
  const folder = mkdtempSync(join(tmpdir(), 'flexemr-embedding-'));
  try {
    for (const file of files) copyFileSync(join(root, file), join(folder, basename(file)));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules/flexemr'));
    symlinkSync(join(here, 'node_modules/@bytecodealliance'), join(folder, 'node_modules/@bytecodealliance'));
    mkdirSync(join(folder, 'node_modules/.bin'));
    for (const [tool, from] of Object.entries(tools))
      symlinkSync(join(from, 'node_modules/.bin', tool), join(folder, 'node_modules/.bin', tool));
    // Skips install commands, because their packages are installed already.
    const rest = commands.split('\n').filter((line) => !/^(apt-get|npm) install/.test(line));
    return execFileSync('bash', ['-euc', rest.join('\n')], {
      cwd: folder,
      encoding: 'utf8',
      timeout: runMsMax,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
