import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import type { Leftovers } from './leftovers.ts';

export interface Started<Message> {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Its first message. */
  readonly message: Message;
}

/** Starts one of our scripts in a new process, and waits for its first message: it is ready, and its address. */
export async function startChild<Message>(
  leftovers: Leftovers,
  script: string,
  args: string[] = [],
  options: ForkOptions = {},
): Promise<Started<Message>> {
  const child = leftovers.child(fork(script, args, options));
  const message = await new Promise<Message>((resolve, reject) => {
    child.once('message', (said) => resolve(said as Message));
    child.once('exit', (code) => reject(new Error(`${script} ended with exit code ${code}`)));
  });
  return { child, pid: child.pid ?? 0, message };
}
