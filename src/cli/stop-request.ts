export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const signalNumbers: Record<(typeof stopSignals)[number], number> = { SIGTERM: 15, SIGINT: 2, SIGHUP: 1 };

/** Waits for a signal, or for the end of the process that started this one. A second signal ends it at once. */
export class StopRequest {
  /** What it was told by. */
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
    // It may have ended before anyone listened.
    if (!process.connected) resolve('disconnect');
  }
}
