export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const signalNumbers: Record<(typeof stopSignals)[number], number> = { SIGTERM: 15, SIGINT: 2, SIGHUP: 1 };

/** Waits for a signal, or for the end of the parent process. A second signal ends this process at once. */
export class StopRequest {
  /** Resolves when this process must stop. The value is the signal, or `disconnect`. */
  readonly asked: Promise<string>;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>();
    let told = false;
    this.asked = promise;
    for (const signal of stopSignals) {
      process.on(signal, () => {
        if (told) process.exit(128 + signalNumbers[signal]);
        told = true;
        resolve(signal);
      });
    }
    if (process.send === undefined) return;
    process.once('disconnect', () => resolve('disconnect'));
    // The parent may have ended before this listener was added.
    if (!process.connected) resolve('disconnect');
  }
}
