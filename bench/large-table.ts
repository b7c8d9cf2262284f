// Writes a file with one large table, as fast as the disk allows.
import { closeSync, openSync, writeSync } from 'node:fs';

/**
 * Writes table `t`, F32 [rows, dim]. Its bytes are `chunk`, repeated.
 * @returns the byte of the file at which its rows begin
 */
export function writeLargeTable(path: string, rows: number, dim: number, chunk: Uint8Array): number {
  const bytes = rows * dim * 4;
  const tables = JSON.stringify([{ name: 't', rows, dim, mode: 'sum', tensor: 'w' }]);
  const entry = { dtype: 'F32', shape: [rows, dim], data_offsets: [0, bytes] };
  const header = Buffer.from(JSON.stringify({ __metadata__: { tables }, w: entry }));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([size, header]));
  for (let at = 0; at < bytes; at += chunk.length)
    writeSync(file, chunk.subarray(0, Math.min(chunk.length, bytes - at)));
  closeSync(file);
  return size.length + header.length;
}
