import { pressureLogMsMin } from '../limits.ts';
import type { Log } from '../log.ts';

/** An error that is told to the log. */
export interface LoggedError {
  readonly code: string;
  readonly status: number;
  readonly reason: string;
  /** The trace of its request. */
  readonly trace_id: string | undefined;
  /** An error that nobody expected. */
  readonly err: Error | undefined;
}

/** Errors of one code since the last line about them. */
interface Untold {
  count: number;
  last: LoggedError;
  readonly timer: NodeJS.Timeout;
}

/** Logs errors, of each code at most a line in `pressureLogMsMin` ms. The line says how many there were. */
export class ErrorLog {
  readonly #log: Log;
  readonly #untold = new Map<string, Untold>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(error: LoggedError): void {
    const untold = this.#untold.get(error.code);
    if (untold !== undefined) {
      untold.count++;
      untold.last = error;
      return;
    }
    this.#tell(error, 1);
    const timer = setTimeout(() => this.#flush(error.code), pressureLogMsMin);
    this.#untold.set(error.code, { count: 0, last: error, timer: timer.unref() });
  }

  #tell(error: LoggedError, requests: number): void {
    this.#log.error({ ...error, requests }, 'requests failed');
  }

  #flush(code: string): void {
    const untold = this.#untold.get(code);
    this.#untold.delete(code);
    clearTimeout(untold?.timer);
    if (untold !== undefined && untold.count > 0) this.#tell(untold.last, untold.count);
  }

  /** Tells what is not told yet. */
  close(): void {
    for (const code of this.#untold.keys()) this.#flush(code);
  }
}
