// Helpers for tests that write, damage and parse files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { prefixBytes } from '../../src/store/header-json.ts';
import { SafetensorsFile } from '../../src/store/safetensors.ts';
import {
  headerSize,
  parseHeader,
  type SafetensorsHeader,
  tensorBytes,
} from '../../src/store/safetensors-header.ts';

export const dir = mkdtempSync(join(tmpdir(), 'flexemr-safetensors-'));
export const target = join(dir, 'target.safetensors');
afterAll(() => rmSync(dir, { recursive: true }));

export const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** Parses the header from the bytes of the whole file. */
export function parseFile(bytes: Uint8Array): SafetensorsHeader {
  const size = headerSize(bytes.subarray(0, prefixBytes), bytes.byteLength, 'f');
  const header = bytes.subarray(prefixBytes, prefixBytes + size);
  return parseHeader(header, bytes.byteLength - prefixBytes - size, 'f');
}

export function fileOf(
  header: string | Uint8Array,
  dataBytes = 0,
  declared?: bigint,
): Uint8Array<ArrayBuffer> {
  const json = typeof header === 'string' ? encode(header) : header;
  const file = new Uint8Array(prefixBytes + json.byteLength + dataBytes);
  new DataView(file.buffer).setBigUint64(0, declared ?? BigInt(json.byteLength), true);
  file.set(json, prefixBytes);
  return file;
}

/** Expects that the tensors fill the data section exactly, each with the number of bytes of its shape. */
export function expectConsistent({ tensors }: SafetensorsHeader, dataBytes: number): void {
  let covered = 0;
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  for (const [name, entry] of inOrder) {
    expect(entry.name).toBe(name);
    expect(entry.begin).toBe(covered);
    covered += tensorBytes(entry.dtype, entry.shape);
    expect(entry.end).toBe(covered);
  }
  expect(covered).toBe(dataBytes);
}

export async function withFile<T>(path: string, use: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  const file = await SafetensorsFile.open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
