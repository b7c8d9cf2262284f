// Digests that identify a table of a file by its bytes, not by its name or its place.
import { createHash, type Hash } from 'node:crypto';
import {
  contentBlockBytes,
  contentBlocksMax,
  contentDigestChars,
  contentWholeBytesMax,
  loadChunkBytesMax,
} from '../limits.ts';
import { type LoadableTable, snapshotName } from './load.ts';
import type { SafetensorsFile } from './safetensors.ts';

/** A digest by which a table is planned and recognised: of its versions at a server, or else of a sample. */
export async function contentOf(file: SafetensorsFile, table: LoadableTable): Promise<string> {
  return versionDigestOf(file, table) ?? (await sampleDigestOf(file, table));
}

/**
 * A digest of dtypes, shapes and places, and of what the server says to tell the content of each file from any other.
 * It needs no rows. Undefined if the file is on a disk.
 */
export function versionDigestOf(file: SafetensorsFile, { stored }: LoadableTable): string | undefined {
  const hash = begin(file);
  for (const tensor of [stored.tensor, stored.ids]) {
    if (tensor === undefined) continue;
    const version = file.versionOf(tensor);
    if (version === undefined) return undefined;
    const { dtype, shape, begin, end } = file.entry(tensor);
    hash.update(JSON.stringify([dtype, shape, begin, end, version]));
  }
  return hash.digest('hex').slice(0, contentDigestChars);
}

/**
 * A digest of dtypes and shapes, and of a sample of the rows and ids. The sample contains small tensors completely, and
 * evenly spread blocks of large ones.
 */
export async function sampleDigestOf(file: SafetensorsFile, table: LoadableTable): Promise<string> {
  return await digestOf(file, table, addSample);
}

/** A digest of dtypes and shapes, and of every byte of the rows and ids. */
export async function wholeContentOf(file: SafetensorsFile, table: LoadableTable): Promise<string> {
  return await digestOf(file, table, addAll);
}

/** Number of reads in flight at a time. It must be a divisor of contentBlocksMax. */
const blocksAtOnce = 64;

/** A snapshot is never taken for the rows that it was made from, although a sample of both may be the same. */
function begin({ metadata }: SafetensorsFile): Hash {
  const hash = createHash('sha256');
  const snapshot = metadata[snapshotName];
  return snapshot === undefined ? hash : hash.update(snapshot);
}

type Add = (hash: Hash, file: SafetensorsFile, tensor: string, bytes: number) => Promise<void>;

async function digestOf(file: SafetensorsFile, { stored }: LoadableTable, add: Add): Promise<string> {
  const hash = begin(file);
  for (const tensor of [stored.tensor, stored.ids]) {
    if (tensor === undefined) continue;
    const { dtype, shape, begin, end } = file.entry(tensor);
    hash.update(JSON.stringify([dtype, shape]));
    await add(hash, file, tensor, end - begin);
  }
  return hash.digest('hex').slice(0, contentDigestChars);
}

async function addAll(hash: Hash, file: SafetensorsFile, tensor: string, bytes: number): Promise<void> {
  const chunk = new Uint8Array(Math.min(bytes, loadChunkBytesMax));
  for (let at = 0; at < bytes; at += chunk.length) {
    const piece = chunk.subarray(0, Math.min(chunk.length, bytes - at));
    await file.readInto(tensor, at, piece);
    hash.update(piece);
  }
}

/** If a retraining changes the share f of the blocks, this misses it with probability (1 − f)^contentBlocksMax. */
async function addSample(hash: Hash, file: SafetensorsFile, tensor: string, bytes: number): Promise<void> {
  if (bytes <= contentWholeBytesMax) return await addAll(hash, file, tensor, bytes);
  const last = bytes - contentBlockBytes;
  const together = new Uint8Array(blocksAtOnce * contentBlockBytes);
  for (let first = 0; first < contentBlocksMax; first += blocksAtOnce) {
    const reads = Array.from({ length: blocksAtOnce }, (_, i) => {
      // Blocks are evenly spread from the first bytes to the last. Each begins at a multiple of 4 bytes.
      const at = Math.floor((last * (first + i)) / (contentBlocksMax - 1) / 4) * 4;
      const block = together.subarray(i * contentBlockBytes, (i + 1) * contentBlockBytes);
      return file.readInto(tensor, at, block);
    });
    await Promise.all(reads);
    hash.update(together);
  }
}
