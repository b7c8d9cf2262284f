import { ErrorCounts, type ErrorsByCode } from '../wire/error-counts.ts';

/** What has gone through the ports of a worker since it started, and its connections now. */
export interface PortStats {
  readonly connections: number;
  /** Bytes of frames and of lookups in JSON, without the headers of HTTP. */
  readonly bytesReceived: number;
  /** Bytes of replies and of results in JSON, without the headers of HTTP. */
  readonly bytesSent: number;
  /** Lookups in JSON, and how many of them were answered with an error. */
  readonly jsonLookups: number;
  readonly jsonErrorsByCode: ErrorsByCode;
}

/** Counts what goes through the ports of a worker. */
export class PortCounts {
  bytesReceived = 0;
  bytesSent = 0;
  jsonLookups = 0;
  readonly jsonErrors: ErrorCounts = new ErrorCounts();

  /** @param connections that the ports have now */
  stats(connections: number): PortStats {
    const { bytesReceived, bytesSent, jsonLookups, jsonErrors } = this;
    return { connections, bytesReceived, bytesSent, jsonLookups, jsonErrorsByCode: jsonErrors.byCode };
  }
}
