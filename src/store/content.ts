// Digests that identify a table of a file by its bytes, not by its name or its place.
import { createHash, type Hash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import {
  contentBlockBytes,
  contentBlocksMax,
  contentDigestChars,
  contentWholeBytesMax,
  loadChunkBytesMax,
  loadPieceBytesMax,
} from '../limits.ts';
import { becameShorter } from './disk-files.ts';
import { type LoadableTable, snapshotName } from './load.ts';
import { rest } from './pace.ts';
import { readNow } from './read-now.ts';
import type { StoredRows } from './rows-jobs.ts';
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
 * evenly spread blocks of large ones. @param paced whether lookups run meanwhile
 */
export async function sampleDigestOf(
  file: SafetensorsFile,
  table: LoadableTable,
  paced = false,
): Promise<string> {
  return await digestOf(file, table, addSample, paced);
}

/** A digest of dtypes and shapes, and of every byte of the rows and ids. @param paced whether lookups run meanwhile */
export async function wholeContentOf(
  file: SafetensorsFile,
  table: LoadableTable,
  paced = false,
): Promise<string> {
  return await digestOf(file, table, addAll, paced);
}

/** Blocks that are read at a time. It must be a divisor of contentBlocksMax. */
const blocksAtOnce = 64;

/** A snapshot is never taken for the rows that it was made from, although a sample of both may be the same. */
function begin({ metadata }: SafetensorsFile): Hash {
  const hash = createHash('sha256');
  const snapshot = metadata[snapshotName];
  return snapshot === undefined ? hash : hash.update(snapshot);
}

type Add = (hash: Hash, from: StoredRows, bytes: number, paced: boolean) => Promise<void>;

async function digestOf(
  file: SafetensorsFile,
  { stored }: LoadableTable,
  add: Add,
  paced: boolean,
): Promise<string> {
  const hash = begin(file);
  for (const tensor of [stored.tensor, stored.ids]) {
    if (tensor === undefined) continue;
    const { dtype, shape, begin, end } = file.entry(tensor);
    hash.update(JSON.stringify([dtype, shape]));
    await add(hash, file.located(tensor), end - begin, paced);
  }
  return hash.digest('hex').slice(0, contentDigestChars);
}

async function addAll(hash: Hash, from: StoredRows, bytes: number, paced: boolean): Promise<void> {
  // A server is asked for much at a time, because each request takes a while.
  const most = from.source.fd === undefined ? loadChunkBytesMax : loadPieceBytesMax;
  const chunk = new Uint8Array(Math.min(bytes, most));
  for (let at = 0; at < bytes; at += chunk.length) {
    const piece = chunk.subarray(0, Math.min(chunk.length, bytes - at));
    await addBlocks(hash, from, [at], piece, paced);
  }
}

/** If a retraining changes the share f of the blocks, this misses it with probability (1 − f)^contentBlocksMax. */
async function addSample(hash: Hash, from: StoredRows, bytes: number, paced: boolean): Promise<void> {
  if (bytes <= contentWholeBytesMax) return await addAll(hash, from, bytes, paced);
  const last = bytes - contentBlockBytes;
  const together = new Uint8Array(blocksAtOnce * contentBlockBytes);
  for (let first = 0; first < contentBlocksMax; first += blocksAtOnce) {
    // Blocks are evenly spread from the first bytes to the last. Each begins at a multiple of 4 bytes.
    const places = Array.from(
      { length: blocksAtOnce },
      (_, i) => Math.floor((last * (first + i)) / (contentBlocksMax - 1) / 4) * 4,
    );
    await addBlocks(hash, from, places, together, paced);
  }
}

/** Reads blocks of one size, one after the other, into `blocks`, and adds them. @param places where they begin in the tensor */
async function addBlocks(
  hash: Hash,
  { source, position, tensor }: StoredRows,
  places: readonly number[],
  blocks: Uint8Array,
  paced: boolean,
): Promise<void> {
  const { fd, path } = source;
  const bytes = blocks.length / places.length;
  const began = performance.now();
  const read = async (at: number, i: number): Promise<void> => {
    const block = blocks.subarray(i * bytes, (i + 1) * bytes);
    if (fd === undefined) return await source.read(position + at, block, { tensor });
    // Most blocks are in the memory of the system: to hear of one from another thread takes longer than to read it.
    const done = readNow(fd, position + at, block);
    if (done < bytes) throw becameShorter(path, position + at + done);
  };
  await Promise.all(places.map(read));
  hash.update(blocks);
  if (paced && fd !== undefined) rest(began);
  await turn();
}
