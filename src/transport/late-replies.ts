import { lateReplyBytesMin, lateReplyMsMax } from '../limits.ts';

/**
 * Watches a reply that has begun but that nobody waits for any more. It may end, so that its connection can be used
 * again. If fewer than `lateReplyBytesMin` bytes arrive within `lateReplyMsMax`, its connection is closed.
 * @param received bytes of the reply so far; undefined once it is complete @param giveUp closes the connection
 */
export function expectEnd(received: () => number | undefined, giveUp: () => void): void {
  let before = received();
  if (before === undefined) return;
  const timer = setInterval(() => {
    const now = received();
    const trickles = now !== undefined && before !== undefined && now - before < lateReplyBytesMin;
    before = now;
    if (trickles) giveUp();
    if (trickles || now === undefined) clearInterval(timer);
  }, lateReplyMsMax);
  // The timer must not keep the process alive. Only timers of Node.js have this method.
  (timer as { unref?: () => void }).unref?.();
}
