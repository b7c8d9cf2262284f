import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';
import { fileKindBytes, otherKind } from './file-kind.ts';
import { invalidFile, prefixBytes } from './header-json.ts';
import { headerSize, parseHeader, type SafetensorsHeader } from './safetensors-header.ts';

/** Linux moves at most 2 GiB - 4 KiB in one read. */
const readBytesMax = 2 ** 30;

/** One open file of tensors: its checked header, and a file descriptor to read them through. */
export class SafetensorsPart {
  readonly path: string;
  readonly header: SafetensorsHeader;
  /** Byte of the file that the tensors begin at. */
  readonly dataStart: number;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle, header: SafetensorsHeader, dataStart: number) {
    this.path = path;
    this.header = header;
    this.dataStart = dataStart;
    this.#handle = handle;
  }

  /** Reads and checks the header, no more. @throws INVALID_FILE */
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

  /** Fills `target` from a byte of the data section. @throws INVALID_FILE where the file has become shorter, RELEASED */
  async read(position: number, target: Uint8Array): Promise<void> {
    await readFully(this.#handle, this.path, this.dataStart + position, target);
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** Reads under way end first. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    // To open a pipe that nobody writes to would wait for ever; Windows has no such flag.
    return await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw cannotOpen(path, cause);
  }
}

/** The error of a file that the system does not open. */
export function cannotOpen(path: string, cause: unknown): FlexemrError {
  const message = `cannot open ${path}: ${(cause as Error).message}. Check the path and its permissions.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'path', value: path, cause });
}

async function fileSize(handle: FileHandle, path: string): Promise<number> {
  const stat = await handle.stat();
  if (stat.isFile()) return stat.size;
  throw notFile(path);
}

/** The error of a file that ends before its tensors do. */
export function becameShorter(path: string, position: number): FlexemrError {
  return invalidFile(path, 'data', position, 'the file has become shorter since it was opened', position);
}

/** The error of a folder, a pipe or a device where a file is needed. */
export function notFile(path: string): FlexemrError {
  const message = `${path} is not a file. Check the path.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'path', value: path });
}

/** One read may give fewer bytes than asked for; none means that the file ends here. */
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
