// deploy/compose.yaml as Compose reads it.
import { join } from 'node:path';
import { deploy, readYaml, type Yaml } from './tools.ts';

export const composePath: string = join(deploy, 'compose.yaml');

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface Service {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  /** The command that says whether it is well. */
  readonly health: readonly string[] | undefined;
  /** What must be so of others before it starts. */
  readonly after: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  readonly secrets: readonly string[];
  readonly memoryBytes: number;
  readonly graceSeconds: number;
  readonly stopSignal: NodeJS.Signals;
  /** Ports of the machine and of the container. */
  readonly ports: readonly string[];
  readonly readOnly: boolean;
}

const units: Readonly<Record<string, number>> = { m: 2 ** 20, g: 2 ** 30 };

export function bytesOf(text: string): number {
  const [, number, unit] = /^(\d+)([mg])$/.exec(text) ?? [];
  return Number(number) * units[unit];
}

/** ${NAME:-default}, without variables of the environment. */
function interpolated(text: string): string {
  return text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
}

export function readCompose(): Yaml {
  return readYaml(composePath)[0];
}

export function servicesOf(file: Yaml): Service[] {
  return Object.entries<Yaml>(file.services).map(([name, service]) => ({
    name,
    image: service.image,
    command: service.command,
    health: service.healthcheck?.test?.slice(1),
    after: new Map(
      Object.entries<Yaml>(service.depends_on ?? {}).map(([other, { condition }]) => [other, condition]),
    ),
    mounts: (service.volumes ?? []).map((text: string) => {
      const [source, target, mode] = interpolated(text).split(':');
      return { source, target, readOnly: mode === 'ro' };
    }),
    secrets: service.secrets ?? [],
    memoryBytes: bytesOf(service.mem_limit),
    graceSeconds: Number.parseInt(service.stop_grace_period ?? '10s', 10),
    stopSignal: service.stop_signal ?? 'SIGTERM',
    ports: service.ports ?? [],
    readOnly: service.read_only === true,
  }));
}

/** Services in an order in which each comes after those that it waits for. @throws if they wait for each other */
export function inOrder(services: readonly Service[]): Service[] {
  const ordered: Service[] = [];
  while (ordered.length < services.length) {
    const there = new Set(ordered.map(({ name }) => name));
    const next = services.find(
      ({ name, after }) => !there.has(name) && [...after.keys()].every((other) => there.has(other)),
    );
    if (next === undefined) throw new Error('services wait for each other, or for one that there is not');
    ordered.push(next);
  }
  return ordered;
}
