// Runtimes that are started for each run: Node.js, Deno, Bun, C, Python, and Wasmtime in the binary of wizer.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { built, kernels } from './build.ts';
import { type Run, type Runtime, readRun, runMsMax } from './runtime.ts';

const tools = join(import.meta.dirname, 'node_modules');
const input = join(built, 'input');
const script = [join(built, 'process.js'), kernels, join(built, 'conformance.wasm'), input];

/** The npm package for Linux on x86-64. */
export const wizerPackage = '@bytecodealliance/wizer-linux-x64';
export const wizer: string = join(tools, wizerPackage, 'wizer');

/** @param stdin whether it reads its input from standard input instead of the file */
function processRuntime(name: string, command: readonly string[], needs: string, stdin = false): Runtime {
  const [program, ...args] = command;
  return {
    name,
    missing: existsSync(program) && existsSync(join(built, needs)) ? undefined : (packages[name] ?? program),
    async run(bytes): Promise<Run> {
      if (!stdin) await writeFile(input, bytes);
      const output = await new Promise<string>((resolve, reject) => {
        const child = execFile(
          program,
          args,
          { maxBuffer: 2 ** 20, timeout: runMsMax },
          (error, stdout, stderr) => {
            if (error) reject(new Error(`${name}: ${error.message}\n${stderr}`));
            else resolve(stdout);
          },
        );
        child.stdin?.end(stdin ? bytes : undefined);
      });
      return readRun(output);
    },
  };
}

/** Debian packages for dependencies that npm does not install. */
const packages: Readonly<Record<string, string>> = {
  'C (wasm2c, gcc)': 'apt-get install gcc libsimde-dev',
  'Python (ctypes)': 'apt-get install python3 gcc libsimde-dev',
};

const bin = (name: string): string => join(tools, name);

export const processes = (): Runtime[] => [
  processRuntime('Node.js 26', [process.execPath, ...script], 'process.js'),
  processRuntime('Node.js 24', [bin('node24/bin/node'), ...script], 'process.js'),
  processRuntime('Node.js 22', [bin('node22/bin/node'), ...script], 'process.js'),
  processRuntime('Deno', [bin('.bin/deno'), 'run', '--allow-read', ...script], 'process.js'),
  processRuntime('Bun', [bin('.bin/bun'), ...script], 'process.js'),
  processRuntime('C (wasm2c, gcc)', [join(built, 'conform')], 'conform', true),
  processRuntime(
    'Python (ctypes)',
    ['/usr/bin/python3', join(import.meta.dirname, 'hosts/conform.py'), join(built, 'libconform.so'), input],
    'libconform.so',
  ),
  processRuntime(
    'Wasmtime (wizer)',
    [wizer, join(built, 'program.wasm'), '--allow-wasi', '-f', 'main', '-o', '/dev/null'],
    'program.wasm',
    true,
  ),
];
