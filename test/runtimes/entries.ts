// Imports the entries of the installed package in each runtime, which uses its own condition.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { bin, LinkedPackage } from './linked-package.ts';
import { runMsMax } from './runtime.ts';

const runtimes: Readonly<Record<string, readonly string[]>> = {
  'Node.js 22': [bin('node22/bin/node')],
  'Node.js 24': [bin('node24/bin/node')],
  Deno: [bin('.bin/deno'), 'run', '--allow-read', '--allow-env'],
  Bun: [bin('.bin/bun')],
};

const program = `
import { openComponent } from 'flexemr/component';
import { openRanker, FlexemrError } from 'flexemr/edge';
import { layout, openKernels } from 'flexemr/kernels';

const table = openComponent().table({ dtype: 'f32', dim: 2, rows: Float32Array.of(1, 2, 10, 20) });
const bags = { keys: Uint32Array.of(0, 1), offsets: Uint32Array.of(0, 2) };
console.log([...table.pool(bags, { mode: 'mean' }).values].join());
console.log(typeof openKernels(new WebAssembly.Memory({ initial: 1 })).pool, layout.DONE);
const routing = { nodes: [], tables: [] };
await openRanker({ routing }).catch((error) => console.log(error instanceof FlexemrError));
`;

/** @returns the problems; none if all is right */
export function entryProblems(): string[] {
  using linked = new LinkedPackage(program);
  return Object.entries(runtimes).flatMap(([name, [command, ...args]]) => {
    if (!existsSync(command) && !process.env.CI) {
      console.log(`${name}: NOT HERE: ${command}`);
      return [];
    }
    const run = { cwd: linked.folder, encoding: 'utf8', timeout: runMsMax } as const;
    const said = execFileSync(command, [...args, 'program.js'], run);
    return said === '5.5,11\nfunction 0\ntrue\n' ? [] : [`${name}: ${said}`];
  });
}
