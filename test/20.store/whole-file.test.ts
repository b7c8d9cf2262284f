// Writes results and plans to different kinds of files.
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/errors.ts';
import { writeRouting } from '../../src/host/file-routing.ts';
import { writeSafetensors } from '../../src/store/safetensors-writer.ts';
import { removeDrafts, writeWhole } from '../../src/store/whole-file.ts';

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

test('a pipe gets the bytes and stays a pipe', async () => {
  expect(spawnSync('mkfifo', [at('pipe')]).status).toBe(0);
  const read = buffer(createReadStream(at('pipe')));
  await writeTensors(at('pipe'));
  await writeTensors(at('file'));
  expect(await read).toEqual(await readFile(at('file')));
  expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
});

test('a link to a missing file stays, and its target is written', async () => {
  symlinkSync('between', at('link'));
  symlinkSync(at('target'), at('between'));
  await writeTensors(at('link'));
  expect([at('link'), at('between')].map((path) => lstatSync(path).isSymbolicLink())).toEqual([true, true]);
  expect(lstatSync(at('target')).isFile()).toBe(true);
});

describe('a path that the system refuses is INVALID_FILE: the error says why and what to do, no file is left', () => {
  const make: Record<string, () => string> = {
    'a folder': () => dir,
    'a folder that is missing': () => at('none/file'),
    'a folder that is a file': () => {
      writeFileSync(at('file'), '');
      return at('file/inside');
    },
    'a link in a circle': () => {
      symlinkSync('circle', at('circle'));
      return at('circle');
    },
    'a full device': () => '/dev/full',
    'a file system that does not take files': () => '/proc/flexemr',
    'a name that is too long': () => at('x'.repeat(300)),
  };
  const writers = {
    tensors: writeTensors,
    routing: (path: string) => writeRouting(path, { nodes: [{ id: 'n' }], tables: [] }),
  };
  for (const [writer, write] of Object.entries(writers))
    test.each(Object.entries(make))(`${writer} to %s`, async (_, path) => {
      const refused = path();
      const before = readdirSync(dir);
      const error = await write(refused).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(FlexemrError);
      expect(error).toMatchObject({ code: 'INVALID_FILE', field: 'path', value: refused });
      expect((error as Error).message).toMatch(/^cannot write [^\n]+: E[A-Z]+: [^\n]+\. [A-Z][^\n]+\.$/);
      expect(readdirSync(dir)).toEqual(before);
    });
});

test('a full device stays a device', async () => {
  await expect(writeTensors('/dev/full')).rejects.toThrow(/ENOSPC.*Free some disk space/);
  expect(lstatSync('/dev/full').isCharacterDevice()).toBe(true);
});

test('an unfinished file can be removed, and then never replaces the old file', async () => {
  writeFileSync(at('file'), 'old');
  const writing = writeWhole(at('file'), async (file) => {
    await file.write('new');
    expect(readdirSync(dir)).toHaveLength(2);
    removeDrafts();
    expect(readdirSync(dir)).toEqual(['file']);
  });
  await expect(writing).rejects.toMatchObject({ code: 'INVALID_FILE' });
  expect(await readFile(at('file'), 'utf8')).toBe('old');
});
