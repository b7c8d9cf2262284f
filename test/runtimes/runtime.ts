/** How long anything may run before it counts as hanging. */
export const runMsMax = 300_000;

/** One way to run the kernels. */
export interface Runtime {
  readonly name: string;
  /** What this machine lacks for it. */
  readonly missing: string | undefined;
  /** @param input hosts/conformance.ts's @returns the digest, and how long the spins took where its clock tells */
  run(input: Uint8Array<ArrayBuffer>): Promise<Run>;
  close?(): Promise<void>;
}

export interface Run {
  readonly digest: string;
  /** undefined: its clock stands still while it computes, or it has none. */
  readonly seconds: number | undefined;
}

/** "DIGEST SECONDS", or the digest alone. @throws where it is no such line */
export function readRun(line: string): Run {
  const [, digest, seconds] = /^([0-9a-f]{16})(?: ([0-9.e-]+))?\s*$/.exec(line) ?? [];
  if (digest === undefined) throw new Error(`no digest, but ${JSON.stringify(line.slice(0, 200))}`);
  return { digest, seconds: Number(seconds) > 0 ? Number(seconds) : undefined };
}
