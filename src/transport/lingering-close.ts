import type { Socket } from 'node:net';
import { lingerMsMax } from '../limits.ts';

/**
 * Ends connections so that all they were sent arrives. Closing one while its peer still sends makes the system drop
 * what the peer has not read yet: so this side ends first, and reads past what comes until the peer ends too.
 */
export async function lingeringClose(sockets: Iterable<Socket>): Promise<void> {
  await Promise.all(Array.from(sockets, closeLingering));
}

async function closeLingering(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => socket.destroy(), lingerMsMax);
  socket.on('close', resolve);
  socket.end();
  socket.resume();
  await promise;
  clearTimeout(timer);
}
