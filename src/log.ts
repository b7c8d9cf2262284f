/** A log of a node or a service. */
export interface Log {
  info(what: object, message: string): void;
  warn(what: object, message: string): void;
}
