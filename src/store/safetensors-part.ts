import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';
import { fileKindBytes, otherKind } from './file-kind.ts';
import { invalidFile, prefixBytes } from './header-json.ts';
import { headerSize, parseHeader, type SafetensorsHeader } from './safetensors-header.ts';

/** Linux moves at most 2 GiB - 4 KiB in one read. */
const readBytesMax = 2 ** 30;

/** One open file of tensors: its checked header, and a file descriptor for reading the tensors. */
export class SafetensorsPart {
  readonly path: string;
  readonly header: SafetensorsHeader;
  /** Byte of the file at which the tensors begin. */
  readonly dataStart: number;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle, header: SafetensorsHeader, dataStart: number) {
    this.path = path;
    this.header = header;
    this.dataStart = dataStart;
    this.#handle = handle;
  }

  /** Opens a file, and reads and checks only its header. @throws INVALID_FILE */
  static async open(path: string): Promise<SafetensorsPart> {
    const handle = await openToRead(path);
    try {
      const fileBytes = await fileSize(handle, path);
      const first = new Uint8Array(Math.min(fileKindBytes, fileBytes));
      await readFully(handle, path, 0, first);
      const other = otherKind(first, path);
      if (other) throw other;
      const header = new Uint8Array(headerSize(first.subarray(0, prefixBytes), fileBytes, path));
      await readFully(handle, path, prefixBytes, header);
      const dataStart = prefixBytes + header.byteLength;
      const parsed = parseHeader(header, fileBytes - dataStart, path);
      return new SafetensorsPart(path, handle, parsed, dataStart);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Fills `target` with the bytes from `position` in the data section on.
   * @throws INVALID_FILE if the file has become shorter, RELEASED
   */
  async read(position: number, target: Uint8Array): Promise<void> {
    await readFully(this.#handle, this.path, this.dataStart + position, target);
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** Closes the file after all reads in flight have ended. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    // Without O_NONBLOCK, opening a pipe that has no writer would never return. Windows does not have this flag.
    return await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw cannotOpen(path, cause);
  }
}

/** The error if the system cannot open a file. */
export function cannotOpen(path: string, cause: unknown): FlexemrError {
  const message = `cannot open ${path}: ${(cause as Error).message}. Check the path and its permissions.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'path', value: path, cause });
}

async function fileSize(handle: FileHandle, path: string): Promise<number> {
  const stat = await handle.stat();
  if (stat.isFile()) return stat.size;
  throw notFile(path);
}

/** The error of a file that ends before its tensors end. */
export function becameShorter(path: string, position: number): FlexemrError {
  return invalidFile(path, 'data', position, 'the file has become shorter since it was opened', position);
}

/** The error if a path is a folder, a pipe or a device instead of a file. */
export function notFile(path: string): FlexemrError {
  const message = `${path} is not a file. Check the path.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'path', value: path });
}

/** Reads until `target` is full: one read may give fewer bytes than requested. 0 bytes mean the end of the file. */
async function readFully(
  handle: FileHandle,
  path: string,
  position: number,
  target: Uint8Array,
): Promise<void> {
  for (let done = 0; done < target.byteLength; ) {
    if (handle.fd < 0) throw new FlexemrError('RELEASED', `${path} is closed. Open it again to read.`);
    const length = Math.min(target.byteLength - done, readBytesMax);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) throw becameShorter(path, position + done);
    done += bytesRead;
  }
}
