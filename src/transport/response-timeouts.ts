import type { ServerResponse } from 'node:http';

/** Number of checks within the time limit of a response. */
const looks = 10;

/**
 * Calls back once a response has been sent or cannot be sent any more. Older versions of Node.js do not tell this to
 * responses that wait behind others, so the socket is watched too.
 */
export function onResponseEnd(response: ServerResponse, done: () => void): void {
  const { socket } = response.req;
  const gone = (): void => {
    socket.off('close', gone);
    response.off('close', gone);
    done();
  };
  // There is one listener for each pipelined request.
  socket.setMaxListeners(0);
  socket.on('close', gone);
  response.on('close', gone);
}

/** Watches responses. If a response has begun but is not sent within `stuckMs`, its connection is closed. */
export class ResponseTimeouts {
  readonly #stuckMs: number;
  readonly #timer: NodeJS.Timeout;
  /** `performance.now()` when each response was first seen to have begun. Undefined before. */
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
   * Waits until responses that have begun are sent, and requests that are still arriving are answered or cut off.
   * @param isWorking whether requests are being worked on, which have `stuckMs` to be answered
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
