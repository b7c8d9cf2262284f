// The conformance run as a process of Node.js, Deno or Bun. Arguments: the files KERNELS CONFORMANCE INPUT.
import { readFileSync } from 'node:fs';
import { conform } from './conformance.ts';

const [kernels, conformance, input] = process.argv.slice(2).map((file) => readFileSync(file));
console.log(
  conform(new WebAssembly.Module(kernels), new WebAssembly.Module(conformance), new Uint8Array(input)),
);
