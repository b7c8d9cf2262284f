// PyTorch's embedding_bag on one thread of a Python process: the bar for lookups in process. No network is involved.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../../src/index.ts';
import { LineProgram } from '../line-program.ts';
import { pythonWithTorch } from '../torch.ts';
import { Absent } from '../usage.ts';
import type { Contender, Peer, PeerFactory, Serving } from './contender.ts';
import type { Racer } from './race.ts';
import type { RequestBatch } from './requests.ts';
import { sum } from './workload.ts';

export const torchPeer: PeerFactory = { name: 'torch', optional: true, start };

const script: string = fileURLToPath(new URL('../native/torch_lookup.py', import.meta.url));

async function start({ workload, tablesFile, directory, leftovers }: Serving): Promise<Peer> {
  const python = pythonWithTorch();
  if (python === undefined) throw new Absent('PyTorch is not installed: apt-get install python3-torch');
  if (workload.tables.some(({ weighted, mode }) => weighted && mode !== 'sum'))
    throw new Absent(`${workload.name}: PyTorch accepts weights for sums only`);
  const child = leftovers.child(spawn(python, [script, tablesFile], { stdio: ['pipe', 'pipe', 'inherit'] }));
  const torch = new LineProgram(child);
  const name = `in process: PyTorch ${await torch.line()}`;
  const contender: Contender = {
    name,
    lookup: (batch) => vectors(torch, directory, batch),
    serverPids: () => [],
    racer: (batches) => torchRacer(name, torch, directory, batches),
  };
  return { contenders: [contender], close: () => leftovers.end(child) };
}

/** Makes Python use these batches. */
async function give(torch: LineProgram, directory: string, batches: readonly RequestBatch[]): Promise<void> {
  const path = join(directory, 'torch-batches.safetensors');
  const tensors = batches[0].features.flatMap(({ weights }, i) => {
    const parts = batches.map(({ features }) => features[i]);
    const keys = parts.flatMap((part) => Array.from(part.keys, BigInt));
    const lengths = parts.flatMap((part) =>
      Array.from(part.offsets.subarray(1), (end, j) => end - part.offsets[j]),
    );
    const offsets = new BigInt64Array(lengths.length + 1);
    for (const [j, length] of lengths.entries()) offsets[j + 1] = offsets[j] + BigInt(length);
    const integers = [
      { name: `keys_${i}`, dtype: 'I64', shape: [keys.length], data: BigInt64Array.from(keys) },
      { name: `offsets_${i}`, dtype: 'I64', shape: [offsets.length], data: offsets },
    ] as const;
    if (weights === undefined) return [...integers];
    const data = Float32Array.from(parts.flatMap((part) => Array.from(part.weights ?? [])));
    return [...integers, { name: `weights_${i}`, dtype: 'F32', shape: [data.length], data } as const];
  });
  await writeSafetensors(path, tensors);
  await torch.ask(`batches ${batches[0].samples} ${path}`);
}

async function vectors(torch: LineProgram, directory: string, batch: RequestBatch): Promise<Float32Array[]> {
  const path = join(directory, 'torch-vectors');
  await give(torch, directory, [batch]);
  await torch.ask(`vectors ${path}`);
  const all = new Float32Array(new Uint8Array(readFileSync(path)).buffer);
  const floats = batch.features.map(({ table }) => batch.samples * table.dim);
  return floats.map((count, i) => {
    const begin = sum(floats.slice(0, i));
    return all.subarray(begin, begin + count);
  });
}

function torchRacer(
  name: string,
  torch: LineProgram,
  directory: string,
  batches: readonly RequestBatch[],
): Racer {
  let given: Promise<void> | undefined;
  return {
    name,
    async round(ms, latencies) {
      given ??= give(torch, directory, batches);
      await given;
      const [calls, ns, cpuUs] = (await torch.ask(`run ${Math.round(ms)}`)).split(' ').map(Number);
      latencies.record(Math.max(1, Math.round(ns / 1000 / calls)));
      const items = calls * batches[0].samples;
      return { items, ms: ns / 1e6, clientUs: cpuUs, serverUs: 0, bytesIn: 0, bytesOut: 0 };
    },
  };
}
