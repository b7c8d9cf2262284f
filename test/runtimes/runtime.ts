/** A run that takes longer than this counts as hanging. */
export const runMsMax = 300_000;

/** One way to run the kernels. */
export interface Runtime {
  readonly name: string;
  /** The missing dependencies on this machine, or undefined. */
  readonly missing: string | undefined;
  /** @param input see hosts/conformance.ts @returns the digest, and the time of the spins if the runtime has a clock */
  run(input: Uint8Array<ArrayBuffer>): Promise<Run>;
  close?(): Promise<void>;
}

export interface Run {
  readonly digest: string;
  /** Undefined if the runtime has no clock, or if it does not advance during computations. */
  readonly seconds: number | undefined;
}

/** Reads "DIGEST SECONDS", or only the digest. @throws Error if the line is not of this form */
export function readRun(line: string): Run {
  const [, digest, seconds] = /^([0-9a-f]{16})(?: ([0-9.e-]+))?\s*$/.exec(line) ?? [];
  if (digest === undefined) throw new Error(`expected a digest, got ${JSON.stringify(line.slice(0, 200))}`);
  return { digest, seconds: Number(seconds) > 0 ? Number(seconds) : undefined };
}
