// The conformance run in JavaScript. Every runtime uses this file, so it uses only features that all of them have.
import { TAPE } from '../image.ts';

/** The exports of assembly/conformance.ts. */
interface Exports {
  make(number: number): void;
  wind(at: number): number;
  solve(): number;
  take(status: number): void;
  run(taped: number, drawn: number): void;
  prepare(dtype: number): void;
  spin(times: number): void;
  digest(): bigint;
}

export interface Conformance {
  readonly exports: Exports;
  readonly memory: WebAssembly.Memory;
}

/** The input of a run. assembly/standalone.ts takes it as five u32, followed by the tape. */
export interface Input {
  readonly taped: number;
  readonly drawn: number;
  readonly spins: number;
  readonly dtype: number;
  readonly tape: Uint8Array;
}

export function inputBytes({ taped, drawn, spins, dtype, tape }: Input): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(20 + tape.length);
  new Uint32Array(bytes.buffer, 0, 5).set([taped, drawn, spins, dtype, tape.length]);
  bytes.set(tape, 20);
  return bytes;
}

/** Instantiates the shipped kernels and the conformance run in one memory that contains `tape`. */
export function openConformance(
  kernels: WebAssembly.Module,
  conformance: WebAssembly.Module,
  tape: Uint8Array,
): Conformance {
  const memory = new WebAssembly.Memory({ initial: Math.ceil((TAPE + tape.length) / 65_536) });
  new Uint8Array(memory.buffer).set(tape, TAPE);
  const shipped = new WebAssembly.Instance(kernels, { env: { memory } }).exports;
  const { exports } = new WebAssembly.Instance(conformance, { env: { memory }, kernels: shipped });
  return { exports: exports as unknown as Exports, memory };
}

/** @returns "DIGEST SECONDS"; SECONDS is the time of the spins, or 0 if the clock does not advance during them */
export function conform(
  kernels: WebAssembly.Module,
  conformance: WebAssembly.Module,
  input: Uint8Array<ArrayBuffer>,
): string {
  const [taped, drawn, spins, dtype, length] = new Uint32Array(input.buffer, 0, 5);
  const { exports } = openConformance(kernels, conformance, input.subarray(20, 20 + length));
  exports.run(taped, drawn);
  let seconds = 0;
  if (spins > 0) {
    exports.prepare(dtype);
    exports.spin(Math.ceil(spins / 10));
    const began = performance.now();
    exports.spin(spins);
    seconds = (performance.now() - began) / 1000;
  }
  return `${BigInt.asUintN(64, exports.digest()).toString(16).padStart(16, '0')} ${seconds}`;
}
