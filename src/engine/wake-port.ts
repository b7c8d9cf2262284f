/** One end of a channel by which two threads wake each other. It says nothing else. */
export interface WakePort {
  postMessage(nothing: 0): void;
  /** @param act is called in the thread that has this end */
  on(event: 'message', act: () => void): { unref(): unknown };
  close(): void;
}

/** The two ends. */
export interface WakeChannel {
  readonly port1: WakePort;
  readonly port2: WakePort;
}
