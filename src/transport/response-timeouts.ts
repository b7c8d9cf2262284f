import type { ServerResponse } from 'node:http';

/** Looks so often, in the time that a response has, whether it has left. */
const looks = 10;

/** Calls back once a response has left, or never will: older Nodes do not tell those that wait behind others. */
export function onResponseEnd(response: ServerResponse, done: () => void): void {
  const { socket } = response.req;
  const gone = (): void => {
    socket.off('close', gone);
    response.off('close', gone);
    done();
  };
  // As many as requests are pipelined.
  socket.setMaxListeners(0);
  socket.on('close', gone);
  response.on('close', gone);
}

/** Responses on their way out: one whose reader does not take what has begun to leave is cut off after a while. */
export class ResponseTimeouts {
  readonly #stuckMs: number;
  readonly #timer: NodeJS.Timeout;
  /** `performance.now()` when each was first seen leaving. */
  readonly #leavingSince = new Map<ServerResponse, number | undefined>();

  constructor(stuckMs: number) {
    this.#stuckMs = stuckMs;
    this.#timer = setInterval(() => this.#look(), stuckMs / looks);
    this.#timer.unref();
  }

  watch(response: ServerResponse): void {
    this.#leavingSince.set(response, undefined);
    onResponseEnd(response, () => this.#leavingSince.delete(response));
  }

  #look(): void {
    const now = performance.now();
    for (const [response, since] of this.#leavingSince) {
      if (!response.headersSent) continue;
      if (since === undefined) this.#leavingSince.set(response, now);
      else if (now - since >= this.#stuckMs) response.req.socket.destroy();
    }
  }

  /**
   * Waits until what leaves has left, and what is still being asked was answered, or was cut off.
   * @param isWorking something that was asked is being worked on: it has `stuckMs` to be answered
   */
  async close(isWorking: () => boolean): Promise<void> {
    const until = performance.now() + this.#stuckMs;
    const open = (): boolean =>
      [...this.#leavingSince.keys()].some(({ headersSent, req }) => headersSent || !req.complete) ||
      (isWorking() && performance.now() < until);
    while (open()) await new Promise((waited) => setTimeout(waited, 5));
    clearInterval(this.#timer);
  }
}
