/** A ranker's service that has the page, and memory nodes. */
export interface ServiceUnderTest {
  /** Of the page. */
  readonly url: string;
  /** Kills a memory node. @returns its name */
  killNode(): Promise<string>;
  /** Starts the node again that was killed. */
  restartNode(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** What clients must show. */
  readonly token?: string;
  /** Whether the tables are in the ranker's process, so that there are no memory nodes. */
  readonly inProcess?: boolean;
}
