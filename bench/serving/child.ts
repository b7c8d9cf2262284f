import { type ChildProcess, fork } from 'node:child_process';
import type { Leftovers } from './leftovers.ts';

export interface Started<Message> {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The first thing it said. */
  readonly message: Message;
}

/** Runs a script of ours in a process of its own, until it says something: that it is ready, and where. */
export async function startChild<Message>(
  leftovers: Leftovers,
  script: string,
  args: string[] = [],
): Promise<Started<Message>> {
  const child = leftovers.child(fork(script, args));
  const message = await new Promise<Message>((resolve, reject) => {
    child.once('message', (said) => resolve(said as Message));
    child.once('exit', (code) => reject(new Error(`${script} has ended with ${code}`)));
  });
  return { child, pid: child.pid ?? 0, message };
}
