// Who may reach whom by NetworkPolicies, as Kubernetes says: what a policy selects is closed in the directions that it names, except for
// what some policy allows; and a connection needs both ends.
import type { Yaml } from './tools.ts';

export interface Peer {
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: string;
  /** Not in the cluster. */
  readonly outside?: boolean;
}

const own = 'flexemr';

export function selects(selector: Yaml, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [], ...rest } = selector;
  if (Object.keys(rest).length > 0) throw new Error(`a selector has ${Object.keys(rest)}`);
  return (
    Object.entries(matchLabels).every(([name, value]) => labels[name] === value) &&
    matchExpressions.every(({ key, operator, values }: Yaml) => {
      if (operator !== 'In') throw new Error(`${operator} is not known here`);
      return values.includes(labels[key]);
    })
  );
}

function isPeer({ podSelector, namespaceSelector, ipBlock }: Yaml, peer: Peer): boolean {
  // Pods have addresses too.
  if (ipBlock !== undefined) return ipBlock.cidr === '0.0.0.0/0';
  if (peer.outside) return false;
  const namespace = { 'kubernetes.io/metadata.name': peer.namespace };
  const isThere =
    namespaceSelector === undefined ? peer.namespace === own : selects(namespaceSelector, namespace);
  return isThere && (podSelector === undefined || selects(podSelector, peer.labels));
}

function allows(
  rules: readonly Yaml[],
  side: 'from' | 'to',
  peer: Peer,
  port: number,
  protocol: string,
): boolean {
  return rules.some(
    (rule) =>
      (rule[side] === undefined || rule[side].some((each: Yaml) => isPeer(each, peer))) &&
      (rule.ports === undefined ||
        rule.ports.some(
          ({ port: first, endPort = first, protocol: which = 'TCP' }: Yaml) =>
            which === protocol && first <= port && port <= endPort,
        )),
  );
}

function isOpen(
  policies: readonly Yaml[],
  way: 'Ingress' | 'Egress',
  pod: Peer,
  other: Peer,
  port: number,
  protocol: string,
): boolean {
  if (pod.outside || pod.namespace !== own) return true;
  const closing = policies.filter(
    ({ spec }) => spec.policyTypes.includes(way) && selects(spec.podSelector, pod.labels),
  );
  const side = way === 'Ingress' ? 'from' : 'to';
  return (
    closing.length === 0 ||
    closing.some(({ spec }) => allows(spec[way.toLowerCase()] ?? [], side, other, port, protocol))
  );
}

export function reaches(
  policies: readonly Yaml[],
  from: Peer,
  to: Peer,
  port: number,
  protocol = 'TCP',
): boolean {
  return (
    isOpen(policies, 'Egress', from, to, port, protocol) &&
    isOpen(policies, 'Ingress', to, from, port, protocol)
  );
}
