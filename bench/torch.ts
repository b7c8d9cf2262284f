// PyTorch's EmbeddingBag in its own process. Each request to the process takes one sample.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BAG_KEYS, BAGS, BATCH_KEYS, KEY_SETS } from './batch.ts';
import { LineProgram } from './line-program.ts';
import type { Side } from './measure.ts';

const script: string = fileURLToPath(new URL('./native/torch_bar.py', import.meta.url));

/** Finds a Python that has torch: the first on the PATH, or that of the system, which has Debian's packages. */
export function pythonWithTorch(): string | undefined {
  return ['python3', '/usr/bin/python3'].find((python) => {
    try {
      execFileSync(python, ['-c', 'import torch'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

export interface TorchBar {
  readonly side: Side;
  readonly version: string;
  close(): Promise<void>;
}

/** Sums f32 rows of its own table of this shape, on one thread. Returns undefined if torch is not installed. */
export async function startTorch(dim: number, rows: number, sampleMs: number): Promise<TorchBar | undefined> {
  const python = pythonWithTorch();
  if (python === undefined) return undefined;
  const shape = [rows, dim, BAGS, BAG_KEYS, KEY_SETS].map(String);
  const child = spawn(python, [script, ...shape], { stdio: ['pipe', 'pipe', 'inherit'] });
  const torch = new LineProgram(child);
  /** @returns the seconds that `calls` calls took */
  const run = async (calls: number): Promise<number> => Number(await torch.ask(String(calls))) / 1e9;
  const version = await torch.line();
  let calls = 1;
  return {
    version,
    side: {
      async warm() {
        const seconds = (await run(20)) / 20;
        calls = Math.max(1, Math.ceil(sampleMs / 1000 / seconds));
      },
      sample: async () => (calls * BATCH_KEYS) / (await run(calls)),
    },
    async close() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}
