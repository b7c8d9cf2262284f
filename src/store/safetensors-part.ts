import type { ByteSource, Reading } from './byte-source.ts';
import { fileKindBytes, otherKind } from './file-kind.ts';
import { prefixBytes } from './header-json.ts';
import { headerSize, parseHeader, type SafetensorsHeader } from './safetensors-header.ts';

/** One open file of tensors: its checked header, and its bytes for reading the tensors. */
export class SafetensorsPart {
  readonly source: ByteSource;
  readonly header: SafetensorsHeader;
  /** Byte of the file at which the tensors begin. */
  readonly dataStart: number;

  private constructor(source: ByteSource, header: SafetensorsHeader, dataStart: number) {
    this.source = source;
    this.header = header;
    this.dataStart = dataStart;
  }

  /** Reads and checks only the header of a file, which is closed if that fails. @throws INVALID_FILE, as `read` */
  static async open(source: ByteSource): Promise<SafetensorsPart> {
    const { path, size } = source;
    try {
      const first = new Uint8Array(Math.min(fileKindBytes, size));
      await source.read(0, first);
      const other = otherKind(first, path);
      if (other) throw other;
      const header = new Uint8Array(headerSize(first.subarray(0, prefixBytes), size, path));
      await source.read(prefixBytes, header);
      const dataStart = prefixBytes + header.byteLength;
      return new SafetensorsPart(source, parseHeader(header, size - dataStart, path), dataStart);
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  get path(): string {
    return this.source.path;
  }

  /** Fills `target` with the bytes from `position` in the data section on. @throws as ByteSource.read */
  async read(position: number, target: Uint8Array, reading?: Reading): Promise<void> {
    await this.source.read(this.dataStart + position, target, reading);
  }

  async close(): Promise<void> {
    await this.source.close();
  }
}
