import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const tickUs: number = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/**
 * µs of CPU that other processes have used, in user and kernel mode together, by /proc. Ticks are 10 ms, so that only
 * differences over seconds mean something.
 */
export function cpuUsOf(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name, which may hold anything; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, own) => sum + own, 0) * tickUs;
}

/** µs of CPU that this process has used, all its threads. */
export function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
