import type { Socket } from 'node:net';
import { lingerMsMax } from '../limits.ts';

/**
 * Ends connections so that everything sent to the peers arrives. If a connection is closed while its peer still sends,
 * the system drops what the peer has not read yet. So this side ends first, and discards what arrives until the peer
 * ends too.
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
