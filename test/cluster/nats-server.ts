// Real NATS servers with JetStream, on free ports of this machine.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UpdateStream } from '../../src/nats/update-stream.ts';
import { until } from '../80.cli/command.ts';

/** Characters of its log that are kept, and lines of them that are printed in one. */
const saidCharsMax = 4_096;
const saidLinesMax = 5;

/** The package to install, if the program is not there. */
export function missingPackage(): string | undefined {
  return spawnSync('nats-server', ['--version']).error === undefined ? undefined : 'nats-server';
}

export interface NatsServerOptions {
  /** More lines of its configuration. */
  readonly config?: string | undefined;
  /** Before the address: `user:password@`. */
  readonly login?: string | undefined;
  readonly scheme?: 'nats' | 'tls' | undefined;
}

/** One server. It keeps its port and its folder when it starts again. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #options: NatsServerOptions;
  #child: ChildProcess | undefined;

  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const [port] = await freePorts(1);
    const server = await NatsServer.prepare(port, [], options);
    await server.start();
    return server;
  }

  /** A server that does not run yet. */
  static async prepare(
    port: number,
    args: readonly string[] = [],
    options: NatsServerOptions = {},
  ): Promise<NatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'flexemr-nats-'));
    // Every stream of updates reserves its largest size. The free space of this machine must not decide how many tests may have.
    const jetStream = `jetstream { store_dir: "${folder}", max_file_store: 1TB }`;
    await writeFile(join(folder, 'nats.conf'), `${jetStream}\n${options.config ?? ''}\n`);
    return new NatsServer(port, folder, args, options);
  }

  private constructor(port: number, folder: string, args: readonly string[], options: NatsServerOptions) {
    this.port = port;
    this.folder = folder;
    this.#args = args;
    this.#options = options;
  }

  /** The address of a cluster. */
  at(bucket: string, login: string | undefined = this.#options.login): string {
    return `${this.#options.scheme ?? 'nats'}://${login === undefined ? '' : `${login}@`}127.0.0.1:${this.port}/${bucket}`;
  }

  async start(): Promise<void> {
    const config = join(this.folder, 'nats.conf');
    const args = ['-c', config, '-a', '127.0.0.1', '-p', String(this.port), ...this.#args];
    const child = spawn('nats-server', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-saidCharsMax);
    });
    child.once('exit', (code, signal) => {
      if (this.#child === child)
        console.error(`nats-server has ended by itself (${code}, ${signal}): ${lastOf(said)}`);
    });
    await until('a NATS server', () => accepts(this.port));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** It answers nothing from now on, until SIGCONT. The signal takes a moment to stop all of its threads. */
  async pause(): Promise<void> {
    this.signal('SIGSTOP');
    const tasks = `/proc/${this.pid}/task`;
    const states = (): string[] =>
      readdirSync(tasks).map(
        (task) => readFileSync(join(tasks, task, 'stat'), 'utf8').replace(/^.*\) /, '')[0],
      );
    await until('a NATS server that is stopped', () => states().every((state) => state === 'T'));
  }

  /** Kills it: it writes nothing any more. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Its disk is replaced by an empty one. */
  async wipe(): Promise<void> {
    await rm(join(this.folder, 'jetstream'), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function lastOf(log: string): string {
  return log.trim().split('\n').slice(-saidLinesMax).join(' | ');
}

/** Three servers as one cluster, which has streams. */
export async function startThree(): Promise<NatsServer[]> {
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `nats://127.0.0.1:${port}`);
  const servers = await Promise.all(
    ports.slice(0, 3).map((port, i) => {
      const args = [
        '-n',
        `s${i}`,
        '--cluster_name',
        'three',
        '--cluster',
        routes[i],
        '--routes',
        routes.join(),
      ];
      return NatsServer.prepare(port, args);
    }),
  );
  await Promise.all(servers.map((server) => server.start()));
  // They elect who keeps the list of streams.
  const created = (): Promise<boolean> =>
    UpdateStream.open(atAll(servers, 'elected'), {}, { create: true }).then(
      async (log) => {
        await log.close();
        return true;
      },
      () => false,
    );
  await until('three servers', created, 50_000);
  return servers;
}

/** The address of a cluster on several servers. */
export function atAll(servers: readonly NatsServer[], bucket: string): string {
  return `nats://${servers.map(({ port }) => `127.0.0.1:${port}`).join()}/${bucket}`;
}

export async function freePorts(count: number): Promise<number[]> {
  const held = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    held.map(async (server) => {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      return (server.address() as { port: number }).port;
    }),
  );
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true));
    for (const event of ['error', 'close']) socket.once(event, () => resolve(false));
  });
  socket.destroy();
  return accepted;
}
