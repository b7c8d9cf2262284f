import { lateReplyBytesMin, lateReplyMsMax } from '../limits.ts';

/**
 * Watches a reply that has begun, and that nobody waits for any more: it may end, so that its connection can be used again.
 * One that trickles, or has no end, is given up with its connection after `lateReplyMsMax`.
 * @param received bytes of it so far; undefined once it is whole @param giveUp closes the connection
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
  // Only Node's timers know it: nobody waits for this one.
  (timer as { unref?: () => void }).unref?.();
}
