/** The bytes of one file, on a disk or at a server. */
export interface ByteSource {
  /** The path or the URL, for messages: a URL without its query. */
  readonly path: string;
  readonly size: number;
  /** A descriptor by which any thread can read the file itself, until `close`. Undefined if only `read` can. */
  readonly fd: number | undefined;
  /** What a server says to tell this content of the file from any other. Undefined for a file on a disk. */
  readonly version: string | undefined;
  /**
   * Fills `target`, which may be shared memory, with the bytes from `position` on.
   * @throws INVALID_FILE if the file has changed, RELEASED; of a server also UNAVAILABLE, UNAUTHORIZED
   */
  read(position: number, target: Uint8Array, reading?: Reading): Promise<void>;
  close(): Promise<void>;
}

/** What a read is for, and what ends it. */
export interface Reading {
  /** The tensor, for messages. */
  readonly tensor?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where files are opened: the disks of this machine, or a server. */
export interface Files {
  /** Whether it is named like the index of several files. */
  isIndex(path: string): boolean;
  /** The path of another file, which is relative to the folder of this one. */
  beside(path: string, file: string): string;
  /** @throws INVALID_FILE, UNAVAILABLE, UNAUTHORIZED */
  open(path: string): Promise<ByteSource>;
  /** Reads all of a small file. @throws as `open`, INVALID_FILE if it has more than `bytesMax` bytes */
  text(path: string, bytesMax: number): Promise<string>;
  close(): Promise<void>;
}
