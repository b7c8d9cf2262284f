import { readFileSync } from 'node:fs';
import { FlexemrError } from '../errors.ts';
import { connectionsMax, connectionsMin, nodeDescriptorsMin, workerDescriptorsMin } from '../limits.ts';

/**
 * Node.js fails in several ways where a thread finds no descriptor, so that there are enough is checked before the
 * first is started; and a connection that finds none is closed without a word, so that none of them ever does.
 * @param ports of each worker
 * @returns connections that each port may have at a time
 * @throws LIMIT_EXCEEDED
 */
export function connectionsOf(workers: number, ports: number): number {
  const most = descriptorsMax();
  const needed = nodeDescriptorsMin + workers * workerDescriptorsMin;
  if (most === undefined) return connectionsMax;
  const spare = Math.floor((most - needed) / (workers * ports));
  if (spare >= 0) return Math.min(connectionsMin + spare, connectionsMax);
  const message = `this process may open ${most} files, a memory node of ${workers} workers needs ${needed} and one more for each connection: raise ulimit -n to at least ${needed}, or start fewer workers`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'workers', value: workers });
}

/** Files that this process may open; undefined: no limit, or none that this system tells. */
function descriptorsMax(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
