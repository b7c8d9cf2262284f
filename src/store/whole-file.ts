import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FlexemrError } from '../errors.ts';

/** Temporary files that are being written and have not been renamed yet. */
const drafts = new Set<string>();

/**
 * Writes a file that appears at `path` only when it is complete and on the disk. If writing fails, `path` is unchanged.
 * A symbolic link is kept, and its target is written. A pipe or a device is written directly.
 * @throws INVALID_FILE if the system refuses
 */
export async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    const found = await stat(path).catch(absent);
    if (found?.isFile() ?? true) await replace(await targetOf(path), write, found && found.mode & 0o7777);
    else await writeThrough(path, write);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Removes all temporary files of this process. Call it before a signal ends the process. */
export function removeDrafts(): void {
  for (const draft of drafts) rmSync(draft, { force: true });
}

async function writeThrough(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  await using file = await open(path, 'w');
  await write(file);
}

async function replace(
  target: string,
  write: (file: FileHandle) => Promise<void>,
  mode: number | undefined,
): Promise<void> {
  // The temporary file is in the folder of the target, because a rename works only within one file system.
  const draft = `${target}.${randomUUID()}.tmp`;
  drafts.add(draft);
  try {
    await writeDraft(draft, write, mode);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    drafts.delete(draft);
  }
  await syncFolder(dirname(target));
}

async function writeDraft(
  draft: string,
  write: (file: FileHandle) => Promise<void>,
  mode: number | undefined,
): Promise<void> {
  await using file = await open(draft, 'wx');
  if (mode !== undefined) await file.chmod(mode);
  await write(file);
  await file.sync();
}

/** Follows symbolic links to their target, even if the target does not exist yet. */
async function targetOf(path: string): Promise<string> {
  const real = await realpath(path).catch(absent);
  if (real !== undefined) return real;
  const link = await lstat(path).catch(absent);
  return link?.isSymbolicLink() ? await targetOf(resolve(dirname(path), await readlink(path))) : path;
}

/** Writes the name to the disk too. Skipped if the folder is not readable: the file itself is already in place. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  await using folder = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw error;
    return undefined;
  });
  await folder?.sync();
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Advice for each error code of the system. */
const advice: Readonly<Record<string, string>> = {
  EACCES: 'Its folder must be writable.',
  EDQUOT: 'Free some disk space.',
  EISDIR: 'It is a folder; give the path of a file.',
  ENOENT: 'Its folder must exist.',
  ENOSPC: 'Free some disk space.',
  ENOTDIR: 'A part of the path that must be a folder is a file.',
  EROFS: 'Its file system must be writable.',
};

/** Wraps an error of the system in a FlexemrError. Returns other errors, such as those of the writer, unchanged. */
function cannotWrite(path: string, error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof FlexemrError || code === undefined || syscall === undefined) return error;
  const text = `cannot write ${path}: ${message}. ${advice[code] ?? 'Check the path and its permissions.'}`;
  return new FlexemrError('INVALID_FILE', text, { field: 'path', value: path, cause: error });
}
