import { kernelModule } from '../kernel/files.ts';
import { stagingBytes, WriterArena } from '../memory-node/writer-arena.ts';

/** Memory and kernels to check and encode batches of row updates, for a program that holds no shards. */
export function batchArena(): WriterArena {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(stagingBytes / 65_536) });
  return new WriterArena(kernelModule('plain'), memory, 0);
}
