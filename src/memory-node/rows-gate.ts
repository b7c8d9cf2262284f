/** The side of a worker of the gate between the threads that read rows and the one that writes them. */
export interface RowsGate {
  /** Before rows are read. Waits while rows are written. @returns false if that takes too long: then rows must not be read */
  enter(): boolean;
  /** After rows were read. */
  leave(): void;
  /** The worker begins to keep, between two reads, where rows are. */
  keep(): void;
  /** It does not need to know any more what a `keep` was for. */
  forget(): void;
}
