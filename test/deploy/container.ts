// A process as a container runtime starts it: process 1 of its own, with a root that has only its image and its mounts, and that it
// cannot write to; without privileges; with names of other services. All containers share one network without anything else, in which
// each service has a loopback address, so what listens on 0.0.0.0 listens on that address here.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface ContainerOptions {
  /** Where its root is mounted. */
  readonly root: string;
  /** Files and folders of this machine, by their path in the container. */
  readonly binds: readonly (readonly [from: string, to: string, readOnly: boolean])[];
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly hosts: Readonly<Record<string, string>>;
  readonly readOnly: boolean;
}

export interface Exited {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The user `node` of the image. */
const user = '1000';
const path = '/usr/local/bin:/usr/bin:/bin';
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

export class Container implements AsyncDisposable {
  readonly #options: ContainerOptions;
  readonly #child: ChildProcess;
  readonly exited: Promise<Exited>;
  output = '';

  constructor(options: ContainerOptions) {
    this.#options = options;
    mkdirSync(options.root, { recursive: true });
    const args = ['--mount', '--pid', '--fork', 'sh', '-euc', script(options)];
    this.#child = spawn('unshare', args, {
      env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    this.exited = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  /** The shell that makes its root becomes its program: there is always one child. */
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Its process 1, as a process of this machine. */
  get pid(): number {
    const own = this.#child.pid;
    return Number(readFileSync(`/proc/${own}/task/${own}/children`, 'utf8').trim());
  }

  status(name: string): string {
    const text = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1] ?? '';
  }

  /** Runs a command inside, as a health check does. @throws if it does not end with 0 */
  async exec(command: readonly string[]): Promise<string> {
    const target = ['--target', String(this.pid), '--mount', '--pid', '--root', '--wd=/'];
    const args = [...target, '--setuid', user, '--setgid', user, ...command];
    const env = { PATH: path, ...this.#options.env };
    const { stdout } = await promisify(execFile)('/usr/bin/nsenter', args, { env, timeout: 10_000 });
    return stdout;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.isRunning) process.kill(this.pid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL');
    await this.exited;
  }
}

function script(options: ContainerOptions): string {
  const { root, binds, command, hosts, readOnly } = options;
  const inside = (to: string): string => quoted(join(root, to));
  const names = Object.entries(hosts).map(([name, address]) => `${address} ${name}`);
  const lines = [
    `mount -t tmpfs tmpfs ${quoted(root)}`,
    `mkdir ${['proc', 'dev', 'etc', 'usr'].map(inside).join(' ')}`,
    ...['bin', 'sbin', 'lib', 'lib64'].map((folder) => `ln -s usr/${folder} ${inside(folder)}`),
    `mount --rbind /dev ${inside('dev')}`,
    `mount -t proc proc ${inside('proc')}`,
    `printf '%s\\n' ${names.map(quoted).join(' ')} >${inside('etc/hosts')}`,
    `echo 'hosts: files' >${inside('etc/nsswitch.conf')}`,
    ...binds.flatMap(([from, to, isReadOnly]) => [
      `mkdir -p "$(dirname ${inside(to)})"`,
      `if [ -d ${quoted(from)} ]; then mkdir -p ${inside(to)}; else touch ${inside(to)}; fi`,
      `mount --bind ${quoted(from)} ${inside(to)}`,
      ...(isReadOnly ? [`mount -o remount,bind,ro ${inside(to)}`] : []),
    ]),
    ...(readOnly ? [`mount -o remount,ro ${quoted(root)}`] : []),
    // The shell becomes the program, which so is process 1.
    `exec setpriv --no-new-privs chroot --userspec=${user}:${user} ${quoted(root)} env PATH=${path} ${command.map(quoted).join(' ')}`,
  ];
  return lines.join('\n');
}
