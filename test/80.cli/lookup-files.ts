// The files of lookups in the example, and of their results.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { requestsFile, tablesFile } from './command.ts';

export const dir = mkdtempSync(join(tmpdir(), 'flexemr-nodes-'));
afterAll(() => rmSync(dir, { recursive: true }));
// A killed command leaves its temporary files in this folder, which the test removes.
process.env.TMPDIR = dir;
export const at = (file: string): string => join(dir, file);
export const out = at('out.safetensors');
export const tables = ['--tables', tablesFile];
export const asked = (path = out, requests = requestsFile): string[] => [
  '--requests',
  requests,
  '--out',
  path,
];
