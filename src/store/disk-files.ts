// Files on the disks of this machine.
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FlexemrError } from '../errors.ts';
import type { ByteSource, Files } from './byte-source.ts';
import { invalidFile } from './header-json.ts';

/** Linux moves at most 2 GiB - 4 KiB in one read. */
const readBytesMax = 2 ** 30;

/** An open file. */
class DiskFile implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly version = undefined;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  static async open(path: string): Promise<DiskFile> {
    const handle = await openToRead(path);
    try {
      const found = await handle.stat();
      if (!found.isFile()) throw notFile(path);
      return new DiskFile(path, handle, found.size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** Reads until `target` is full: one read may give fewer bytes than requested. 0 bytes mean the end of the file. */
  async read(position: number, target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.byteLength; ) {
      if (this.#handle.fd < 0)
        throw new FlexemrError('RELEASED', `${this.path} is closed. Open it again to read.`);
      const length = Math.min(target.byteLength - done, readBytesMax);
      const { bytesRead } = await this.#handle.read(target, done, length, position + done);
      if (bytesRead === 0) throw becameShorter(this.path, position + done);
      done += bytesRead;
    }
  }

  /** Closes the file after all reads in flight have ended. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

export const diskFiles: Files = {
  isIndex: (path) => path.endsWith('.json'),
  beside: (path, file) => join(dirname(path), file),
  open: (path) => DiskFile.open(path),
  async text(path, bytesMax) {
    try {
      const found = await stat(path);
      if (!found.isFile()) throw notFile(path);
      if (found.size > bytesMax) throw tooLarge(path, found.size, bytesMax);
      return await readFile(path, 'utf8');
    } catch (cause) {
      throw cause instanceof FlexemrError ? cause : cannotOpen(path, cause);
    }
  },
  close: async () => {},
};

async function openToRead(path: string): Promise<FileHandle> {
  try {
    // Without O_NONBLOCK, opening a pipe that has no writer would never return. Windows does not have this flag.
    return await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw cannotOpen(path, cause);
  }
}

/** The error if the system cannot open a file. */
function cannotOpen(path: string, cause: unknown): FlexemrError {
  const message = `cannot open ${path}: ${(cause as Error).message}. Check the path and its permissions.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'path', value: path, cause });
}

/** The error of a file that ends before its tensors end. */
export function becameShorter(path: string, position: number): FlexemrError {
  return invalidFile(path, 'data', position, 'the file has become shorter since it was opened', position);
}

/** The error if a path is a folder, a pipe or a device instead of a file. */
function notFile(path: string): FlexemrError {
  const message = `${path} is not a file. Check the path.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'path', value: path });
}

function tooLarge(path: string, size: number, bytesMax: number): FlexemrError {
  const message = `${path}: an index of ${size} bytes is over the limit of ${bytesMax}.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'size', value: size });
}
