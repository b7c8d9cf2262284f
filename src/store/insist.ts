import { tableAttemptsMax, tableResumeBytesMin, tableRetryMsMax, tableRetryMsMin } from '../table-limits.ts';
import { RangeFault } from './range-fault.ts';

/** The end of a read that has failed. */
export interface LastFault {
  readonly fault: RangeFault;
  /** Failures in a row. */
  readonly attempts: number;
}

/**
 * Repeats a request to a server until its answer is complete, with pauses that grow. Attempts that bring many bytes do
 * not count as failures.
 * @param attempt returns normally if the answer is complete
 * @param bytes the number of bytes that all attempts have brought @param failed makes the error
 * @throws what `failed` makes, the reason of the signal, and other errors of `attempt`
 */
export async function insist(
  attempt: () => Promise<void>,
  bytes: () => number,
  failed: (last: LastFault) => Error,
  signal: AbortSignal,
): Promise<void> {
  for (let attempts = 1; ; attempts++) {
    const before = bytes();
    try {
      signal.throwIfAborted();
      return await attempt();
    } catch (fault) {
      signal.throwIfAborted();
      if (!(fault instanceof RangeFault)) throw fault;
      if (bytes() - before >= tableResumeBytesMin) attempts = 1;
      if (fault.code !== undefined || attempts >= tableAttemptsMax) throw failed({ fault, attempts });
      await pause(Math.max(backoffMs(attempts), Math.min(fault.waitMs, tableRetryMsMax)), signal);
    }
  }
}

/** Twice as long after each failure, and a random part less, so that many nodes do not ask again at the same time. */
function backoffMs(attempts: number): number {
  return Math.min(tableRetryMsMax, tableRetryMsMin * 2 ** (attempts - 1)) * (0.5 + Math.random() / 2);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end);
      resolve();
    }, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
