// The objects of deploy/kubernetes, and what of them depends on each other.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { selects } from './reachability.ts';
import { deploy, readYaml, type Yaml } from './tools.ts';

const folder = join(deploy, 'kubernetes');

export function readManifests(): Yaml[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => readYaml(join(folder, name)));
}

/** What runs pods. */
export function workloadsOf(objects: readonly Yaml[]): Yaml[] {
  return objects.filter(({ spec }) => spec?.template !== undefined);
}

export const containerOf = (workload: Yaml): Yaml => workload.spec.template.spec.containers[0];

/** The command of a container, with its variables as Kubernetes puts them in. @throws if one is not there */
export function commandOf(workload: Yaml, objects: readonly Yaml[], replica = 0): string[] {
  const { args, env = [] } = containerOf(workload);
  const values: Record<string, string> = {};
  const filled = (text: string): string =>
    text.replace(/\$\((\w+)\)/g, (_, name) => {
      if (values[name] === undefined) throw new Error(`${name} is not given, or only later`);
      return values[name];
    });
  for (const { name, value, valueFrom } of env)
    values[name] = value === undefined ? taken(valueFrom) : filled(value);
  return args.map(filled);

  function taken({ fieldRef, secretKeyRef, configMapKeyRef }: Yaml): string {
    if (fieldRef !== undefined) return `${workload.metadata.name}-${replica}`;
    if (secretKeyRef !== undefined) return `secret-${secretKeyRef.key}`;
    const map = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapKeyRef.name,
    );
    const value = map?.data[configMapKeyRef.key];
    if (value === undefined) throw new Error(`there is no ${configMapKeyRef.key}`);
    return value;
  }
}

/** What does not fit together. */
export function misfits(objects: readonly Yaml[]): string[] {
  const workloads = workloadsOf(objects);
  const problems: string[] = [];
  const say = (object: Yaml, problem: string): void =>
    void problems.push(`${object.kind} ${object.metadata.name}: ${problem}`);
  for (const workload of workloads) {
    const { selector, template, serviceName } = workload.spec;
    if (selector !== undefined && !selects(selector, template.metadata.labels))
      say(workload, 'selects other pods than its own');
    if (
      serviceName !== undefined &&
      !objects.some(
        ({ kind, metadata, spec }) =>
          kind === 'Service' && metadata.name === serviceName && spec.clusterIP === 'None',
      )
    )
      say(workload, `there is no headless Service ${serviceName}`);
    for (const { labelSelector } of template.spec.topologySpreadConstraints ?? [])
      if (!selects(labelSelector, template.metadata.labels)) say(workload, 'spreads other pods');
    checkPod(template.spec, (problem) => say(workload, problem), workload);
  }
  const podsOf = (selector: Yaml): Yaml[] =>
    workloads.filter(({ spec }) => selects(selector, spec.template.metadata.labels));
  for (const object of objects) {
    if (object.kind === 'Service') {
      const [pods] = podsOf({ matchLabels: object.spec.selector });
      if (pods === undefined) say(object, 'selects no pods');
      else
        for (const { targetPort, port } of object.spec.ports)
          if (!portOf(containerOf(pods), targetPort ?? port))
            say(object, `no container has the port ${targetPort}`);
    }
    if (object.kind === 'PodDisruptionBudget' && podsOf(object.spec.selector).length !== 1)
      say(object, 'does not select one workload');
    if (object.kind === 'NetworkPolicy' && podsOf(object.spec.podSelector).length === 0)
      say(object, 'selects no pods');
  }
  return problems;
}

const portOf = ({ ports = [] }: Yaml, wanted: string | number): Yaml =>
  ports.find(({ name, containerPort }: Yaml) => name === wanted || containerPort === wanted);

function checkPod({ containers, volumes = [] }: Yaml, say: (problem: string) => void, { spec }: Yaml): void {
  for (const container of containers) {
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      const { path, port } = container[probe]?.httpGet ?? {};
      if (path === undefined) continue;
      if (!portOf(container, port)) say(`${probe} asks the port ${port}`);
      if (!/^\/(healthz|readyz)(\?|$)/.test(path)) say(`${probe} asks for ${path}`);
    }
    const claims = (spec.volumeClaimTemplates ?? []).map(({ metadata }: Yaml) => metadata.name);
    const there = [...volumes.map(({ name }: Yaml) => name), ...claims];
    for (const { name } of container.volumeMounts ?? [])
      if (!there.includes(name)) say(`there is no volume ${name}`);
  }
}
