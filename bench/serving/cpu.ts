import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const tickUs: number = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/**
 * µs of CPU that other processes have used, in user and kernel mode together, from /proc. Ticks are 10 ms, so only
 * differences over seconds are meaningful.
 */
export function cpuUsOf(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 2 is the name of the program, which may contain any character. Fields 14 and 15 are utime and stime.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, own) => sum + own, 0) * tickUs;
}

/** µs of CPU that all threads of this process have used. */
export function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
