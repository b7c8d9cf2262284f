import type { ServerResponse } from 'node:http';

/** Number of checks within the time limit of a response. */
const looks = 10;

/**
 * Calls back once a response has been sent or cannot be sent any more. Older versions of Node.js do not tell this to
 * responses that wait behind others, so the socket is watched too.
 */
export function onResponseEnd(response: ServerResponse, done: () => void): void {
  const { socket } = response.req;
  let isDone = false;
  const gone = (): void => {
    // If the socket closes, Node.js tells the response while it tells the listeners of the socket.
    if (isDone) return;
    isDone = true;
    socket.off('close', gone);
    response.off('close', gone);
    done();
  };
  // There is one listener for each pipelined request, and for each part of a service that waits for the end.
  socket.setMaxListeners(0);
  response.setMaxListeners(0);
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
   * Waits until open responses are sent or cut off. A request may take `stuckMs` to arrive, then as long to be answered,
   * and its answer as long to be sent.
   * @param isWorking whether requests that have arrived are being worked on, so that answers will follow
   */
  async close(isWorking: () => boolean): Promise<void> {
    const begun = performance.now();
    const open = (): boolean => {
      const ms = performance.now() - begun;
      const responses = [...this.#leavingSince.keys()];
      const isMoving = responses.some(({ headersSent, req }) => headersSent || !req.complete);
      const isAwaited = responses.length > 0 && ms < this.#stuckMs && isWorking();
      return (isMoving && ms < 3 * this.#stuckMs) || isAwaited;
    };
    while (open()) await new Promise((waited) => setTimeout(waited, 5));
    clearInterval(this.#timer);
  }
}
