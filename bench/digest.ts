// Measures the time of the digest of a table: of a sample, of all its bytes, and only of reading it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentOf, wholeContentOf } from '../src/store/content.ts';
import { planTables } from '../src/store/load.ts';
import { SafetensorsFile } from '../src/store/safetensors.ts';
import { describe, environment } from './environment.ts';
import { writeLargeTable } from './large-table.ts';

const [rows, dim] = [5_000_000, 128];
const bytes = rows * dim * 4;

export async function run(): Promise<void> {
  console.log(describe(environment()));
  const folder = mkdtempSync(join(tmpdir(), 'flexemr-digest-'));
  try {
    const path = join(folder, 'table.safetensors');
    writeLargeTable(path, rows, dim, new Uint8Array(2 ** 26).fill(1));
    await using file = await SafetensorsFile.open(path);
    const [table] = planTables(file);
    await timed('read alone', () => read(file, table.stored.tensor));
    await timed('sample', () => contentOf(file, table));
    await timed('all of it', () => wholeContentOf(file, table));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function read(file: SafetensorsFile, tensor: string): Promise<void> {
  const chunk = new Uint8Array(2 ** 23);
  for (let at = 0; at < bytes; at += chunk.length)
    await file.readInto(tensor, at, chunk.subarray(0, Math.min(chunk.length, bytes - at)));
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  const [, median] = times.sort((a, b) => a - b);
  console.log(
    `${what.padEnd(12)} ${median.toFixed(0).padStart(6)} ms for ${(bytes / 1e9).toFixed(2)} GB, page cache warm`,
  );
}
