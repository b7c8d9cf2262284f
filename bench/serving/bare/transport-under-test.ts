import type { Leftovers } from '../leftovers.ts';

/** Bytes of an exchange, as many as a subrequest and its reply have. */
export interface Size {
  readonly name: string;
  readonly requestBytes: number;
  readonly replyBytes: number;
}

/** One sample of MLPerf's model, a medium subrequest, and 128 samples. */
export const sizes: readonly Size[] = [
  { name: '1 KB → 13 KB', requestBytes: 1_032, replyBytes: 13_320 },
  { name: '8 KB → 16 KB', requestBytes: 8_192, replyBytes: 16_384 },
  { name: '113 KB → 1.7 MB', requestBytes: 115_712, replyBytes: 1_704_000 },
];

export const requestBytesMax: number = Math.max(...sizes.map(({ requestBytes }) => requestBytes));
export const replyBytesMax: number = Math.max(...sizes.map(({ replyBytes }) => replyBytes));

export interface RunningTransport {
  readonly serverPid: number;
  /**
   * Sends `requestBytes` bytes and receives `replyBytes` bytes. The server copies the request into a fixed buffer and
   * sends prepared bytes.
   */
  exchange(requestBytes: number, replyBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** Only a transport. Its server runs in its own process. */
export interface TransportUnderTest {
  readonly name: string;
  readonly ours?: boolean;
  /** @param inFlight exchanges in flight at any time @throws Absent */
  start(leftovers: Leftovers, inFlight: number): Promise<RunningTransport>;
}
