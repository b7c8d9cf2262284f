import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FlexemrError } from '../errors.ts';

/** Files that are being written, and have not taken their places yet. */
const drafts = new Set<string>();

/**
 * Writes a file that takes its place only when it is whole and on the disk: a failure leaves what was at `path`. A
 * symbolic link stays, and its target is written; what is no regular file (a pipe, a device) is written through.
 * @throws INVALID_FILE where the system refuses
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

/** Removes what this process has begun to write: for one that is about to be ended by a signal. */
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
  // Beside the target, for a rename works within one file system only.
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

/** Where links lead, even if there is nothing yet. */
async function targetOf(path: string): Promise<string> {
  const real = await realpath(path).catch(absent);
  if (real !== undefined) return real;
  const link = await lstat(path).catch(absent);
  return link?.isSymbolicLink() ? await targetOf(resolve(dirname(path), await readlink(path))) : path;
}

/** The name is on the disk too, where the folder may be read: the file itself has its place already. */
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

/** What to do where the system refuses a file. */
const advice: Readonly<Record<string, string>> = {
  EACCES: 'Its folder must be writable.',
  EDQUOT: 'Make room.',
  EISDIR: 'It is a folder: name a file.',
  ENOENT: 'Its folder must exist.',
  ENOSPC: 'Make room.',
  ENOTDIR: 'Its folder must be one.',
  EROFS: 'Its file system must be writable.',
};

/** An error that the system gave becomes one of ours; the writer's own stay as they are. */
function cannotWrite(path: string, error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof FlexemrError || code === undefined || syscall === undefined) return error;
  const text = `cannot write ${path}: ${message}. ${advice[code] ?? 'Check the path and its permissions.'}`;
  return new FlexemrError('INVALID_FILE', text, { field: 'path', value: path, cause: error });
}
