// The services of deploy/compose.yaml as processes of this machine, started and stopped in the order that the file says.
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import { until } from '../80.cli/command.ts';
import { root } from '../rdma/vitest-run.ts';
import { composePath, inOrder, readCompose, type Service, servicesOf } from './compose-file.ts';
import { Container, type Exited } from './container.ts';
import { said } from './image.ts';

/** The programs of this machine that stand for images, and what their images start. */
const images: Readonly<
  Record<string, { readonly files: Readonly<Record<string, string>>; readonly entry: readonly string[] }>
> = {
  nats: { files: { '/usr/local/bin/nats-server': '/usr/sbin/nats-server' }, entry: ['nats-server'] },
  'prom/prometheus': { files: { '/usr/local/bin/prometheus': '/usr/bin/prometheus' }, entry: ['prometheus'] },
  flexemr: {
    files: { '/usr/local/bin/node': process.execPath, '/app': join(process.env.FLEXEMR_IMAGE ?? '', 'app') },
    entry: JSON.parse(said('ENTRYPOINT')),
  },
};

/** Of all images: the system's libraries, and BusyBox, as Alpine has it. */
const common: readonly (readonly [string, string, boolean])[] = [
  ['/usr/lib', '/usr/lib', true],
  ['/usr/lib64', '/usr/lib64', true],
  ['/usr/bin/env', '/usr/bin/env', true],
  ['/usr/bin/busybox', '/usr/bin/wget', true],
];

export const tokens: Readonly<Record<string, string>> = {
  'nodes-token': 'n'.repeat(64),
  'clients-token': 'c'.repeat(64),
};

/** The request of docs/operating.md. */
export const request: string =
  /<<'END'\n(\{.*?\n\})\nEND/s.exec(readFileSync(join(root, 'docs/operating.md'), 'utf8'))?.[1] ?? '';

export class Stack implements AsyncDisposable {
  readonly services: readonly Service[];
  readonly containers = new Map<string, Container>();
  readonly #folder: string;

  constructor() {
    this.services = inOrder(servicesOf(readCompose()));
    this.#folder = mkdtempSync(join(tmpdir(), 'flexemr-stack-'));
    for (const [name, token] of Object.entries(tokens))
      writeFileSync(join(this.#folder, name), `${token}\n`, { mode: 0o444 });
  }

  /** The address of a service. */
  address(name: string): string {
    return `127.0.1.${1 + this.services.findIndex((service) => service.name === name)}`;
  }

  of(name: string): Container {
    const container = this.containers.get(name);
    if (container === undefined) throw new Error(`${name} has not been started`);
    return container;
  }

  /** Asks the ranker. */
  async rank(body: string = request, token: string = tokens['clients-token']): Promise<Response> {
    return await fetch(`http://${this.address('ranker')}:8080/v1/rank`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body,
    });
  }

  /** Starts all services, each when those are so that it waits for. */
  async start(): Promise<void> {
    for (const service of this.services) {
      for (const [other, condition] of service.after) await this.#wait(other, condition);
      this.containers.set(service.name, new Container(this.#options(service)));
    }
    for (const { name, health } of this.services) if (health !== undefined) await this.healthy(name);
  }

  /** Starts a service again. @param env more variables of its environment */
  restart(name: string, env: Readonly<Record<string, string>> = {}): void {
    const service = this.services.find((each) => each.name === name);
    if (service === undefined) throw new Error(`there is no service ${name}`);
    const options = this.#options(service);
    this.containers.set(name, new Container({ ...options, env: { ...options.env, ...env } }));
  }

  /** Runs a command of flexemr beside the services, as `docker compose run` does. @returns how it ended, and its output */
  async run(command: readonly string[]): Promise<Exited & { readonly output: string }> {
    const service = this.services.find(({ name }) => name === 'ranker') as Service;
    await using container = new Container(this.#options({ ...service, command }, 'run'));
    return { ...(await container.exited), output: container.output };
  }

  /** Another token takes the place of one, for those that are started from now on. */
  rotate(name: string, token: string): void {
    writeFileSync(join(this.#folder, name), `${token}\n`);
  }

  /** The volume of a service is replaced by an empty one. */
  wipe(volume: string): void {
    rmSync(join(this.#folder, 'volumes', volume), { recursive: true });
  }

  async #wait(name: string, condition: string): Promise<void> {
    if (condition === 'service_healthy') return await this.healthy(name);
    expect(condition).toBe('service_completed_successfully');
    const { code } = await this.of(name).exited;
    expect({ name, code, output: this.of(name).output }).toMatchObject({ code: 0 });
  }

  /** Waits until the health check of a service says that it is well. */
  async healthy(name: string): Promise<void> {
    await until(`${name} to be healthy`, async () => (await this.health(name)) === 'healthy', 60_000);
  }

  /** @returns `healthy`, or why not */
  async health(name: string): Promise<string> {
    const container = this.of(name);
    if (!container.isRunning) expect.fail(`${name} has ended: ${container.output}`);
    const health = this.services.find((service) => service.name === name)?.health ?? [];
    return await container.exec(health.map((word) => word.replace('127.0.0.1', this.address(name)))).then(
      () => 'healthy',
      (error: Error) => error.message,
    );
  }

  /** Stops all that run, in the reverse order. @returns how each has ended */
  async stop(): Promise<Record<string, Exited>> {
    const ended: Record<string, Exited> = {};
    for (const { name, graceSeconds, stopSignal } of this.services.toReversed()) {
      const container = this.of(name);
      if (!container.isRunning) continue;
      container.kill(stopSignal);
      const timer = setTimeout(() => container.kill('SIGKILL'), graceSeconds * 1_000);
      ended[name] = await container.exited;
      clearTimeout(timer);
    }
    return ended;
  }

  /** @param place of its root */
  #options(service: Service, place: string = service.name): ConstructorParameters<typeof Container>[0] {
    const { name, image, command, mounts, secrets, readOnly } = service;
    const { files, entry } = images[image.replace(/:.*$/, '')];
    const folder = (source: string): string => {
      if (/^[./]/.test(source)) return resolve(composePath, '..', source);
      const own = join(this.#folder, 'volumes', source);
      mkdirSync(own, { recursive: true });
      chownSync(own, 1000, 1000);
      return own;
    };
    return {
      root: join(this.#folder, 'roots', place),
      binds: [
        ...common,
        ...Object.entries(files).map(([to, from]) => [from, to, true] as const),
        ...mounts.map(({ source, target, readOnly: fixed }) => [folder(source), target, fixed] as const),
        ...secrets.map((secret) => [join(this.#folder, secret), `/run/secrets/${secret}`, true] as const),
      ],
      command: [...entry, ...command].map((word) => word.replace('0.0.0.0', this.address(name))),
      env: { NODE_ENV: 'production' },
      hosts: Object.fromEntries(this.services.map((service) => [service.name, this.address(service.name)])),
      readOnly,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.containers.values()) await container[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
