import { readFileSync } from 'node:fs';

/** Bytes of a process that are resident, from /proc. */
export function rssOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4_096;
}

export function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
