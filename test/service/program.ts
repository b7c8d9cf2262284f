import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Other programs that the tests run, and the Debian packages that have them. */
const packages = {
  curl: 'curl',
  python3: 'python3',
  promtool: 'prometheus',
  bash: 'bash',
  nginx: 'nginx-light',
};

/** Runs another program until it ends. @throws Error that names its Debian package if it is missing */
export async function run(
  program: keyof typeof packages,
  args: readonly string[],
  { input = '', cwd }: { readonly input?: string; readonly cwd?: string } = {},
): Promise<Output> {
  const child = spawn(program, args, { cwd, stdio: 'pipe' });
  child.stdin.on('error', () => {}).end(input);
  const ended = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  const [[code], stdout, stderr] = await ended.catch((cause: Error) => {
    throw new Error(`${program} is missing: apt-get install ${packages[program]}`, { cause });
  });
  return { code, stdout, stderr };
}
