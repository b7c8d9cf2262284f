import { randomUUID } from 'node:crypto';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a file that takes its place only when it is whole and on the disk: a failure leaves what was at `path`. A
 * symbolic link stays, and its target is replaced; what is no regular file (a pipe, a device) is written through.
 */
export async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const found = await stat(path).catch(absent);
  if (found !== undefined && !found.isFile()) {
    await using through = await open(path, 'w');
    return await write(through);
  }
  const target = found === undefined ? path : await realpath(path);
  // Beside the target, for a rename works within one file system only.
  const draft = `${target}.${randomUUID()}.tmp`;
  try {
    await writeDraft(draft, write, found && found.mode & 0o7777);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
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
