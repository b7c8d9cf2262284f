// Kinds of files that a result or a plan may be written to.
import { spawnSync } from 'node:child_process';
import {
  createReadStream,
  lstatSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeSafetensors } from '../../src/store/safetensors-writer.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'flexemr-kinds-'));
});
afterEach(() => rmSync(dir, { recursive: true }));
const at = (name: string): string => join(dir, name);

const tensors = [{ name: 't', dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }] as const;
const writeTensors = (path: string): Promise<void> => writeSafetensors(path, tensors);

test('a symbolic link stays, its target is replaced and keeps its mode', async () => {
  writeFileSync(at('target'), 'old', { mode: 0o640 });
  symlinkSync('target', at('link'));
  await writeTensors(at('link'));
  expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
  expect(statSync(at('target')).mode & 0o777).toBe(0o640);
  expect((await readFile(at('target'))).byteLength).toBeGreaterThan(8);
  expect(readdirSync(dir).sort()).toEqual(['link', 'target']);
});

test('a pipe is written through and stays a pipe', async () => {
  expect(spawnSync('mkfifo', [at('pipe')]).status).toBe(0);
  const read = buffer(createReadStream(at('pipe')));
  await writeTensors(at('pipe'));
  await writeTensors(at('file'));
  expect(await read).toEqual(await readFile(at('file')));
  expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
});

test('a full device is an error and stays a device', async () => {
  await expect(writeTensors('/dev/full')).rejects.toThrow(/ENOSPC/);
  expect(lstatSync('/dev/full').isCharacterDevice()).toBe(true);
});
