import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const tickUs: number = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/**
 * µs of CPU that other processes have used, in user and kernel mode together, from /proc. Ticks are 10 ms, so only
 * differences over seconds are meaningful.
 */
export function cpuUsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + usOf(`/proc/${pid}/stat`), 0);
}

/** The same of the first thread of a process alone. */
export function mainThreadUsOf(pid: number): number {
  return usOf(`/proc/${pid}/task/${pid}/stat`);
}

function usOf(path: string): number {
  const stat = readFileSync(path, 'utf8');
  // Field 2 is the name of the program, which may contain any character. Fields 14 and 15 are utime and stime.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
}

/** µs of CPU that all threads of this process have used. */
export function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The same as the scheduler counts it: exact, but without threads that have ended. */
export function scheduledUsOf(pids: readonly number[]): number {
  let ns = 0;
  for (const pid of pids)
    for (const thread of readdirSync(`/proc/${pid}/task`))
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return ns / 1_000;
}
