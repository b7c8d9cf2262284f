import { readFileSync } from 'node:fs';
import { FlexemrError } from '../errors.ts';
import { connectionsMax, connectionsMin, nodeDescriptorsMin, workerDescriptorsMin } from '../limits.ts';

/**
 * Divides the file descriptors of this process among the ports. If a thread gets no descriptor, Node.js fails in
 * several ways, so this checks that there are enough before the first thread starts. If a connection gets none, Node.js
 * closes it without an error, so the number of connections is limited.
 * @param ports number of ports of each worker
 * @returns the number of connections that each port may have at a time
 * @throws LIMIT_EXCEEDED
 */
export function connectionsOf(workers: number, ports: number): number {
  const most = descriptorsMax();
  const needed = nodeDescriptorsMin + workers * workerDescriptorsMin;
  if (most === undefined) return connectionsMax;
  const spare = Math.floor((most - needed) / (workers * ports));
  if (spare >= 0) return Math.min(connectionsMin + spare, connectionsMax);
  const message = `this process may open ${most} files, but a memory node of ${workers} workers needs ${needed} and one more for each connection: raise ulimit -n to at least ${needed}, or start fewer workers`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'workers', value: workers });
}

/** The number of files that this process may open. Undefined if there is no limit or the system does not report it. */
function descriptorsMax(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
