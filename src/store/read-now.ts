import { readSync } from 'node:fs';

/**
 * Fills `target`, which may be shared memory, with the bytes of an open file from `position` on. The thread waits for them.
 * @returns the number of bytes read, which is smaller than `target` if the file ends before @throws errors of the system
 */
export function readNow(fd: number, position: number, target: Uint8Array): number {
  for (let done = 0; done < target.length; ) {
    const count = readSync(fd, target, done, target.length - done, position + done);
    if (count === 0) return done;
    done += count;
  }
  return target.length;
}
