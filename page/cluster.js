// @ts-check
// The releases of the cluster: which are served, come and go, which nodes have them, and which rankers use them.
import { rowsOf } from './rows.js';
import { bytes, date, none, seconds, whole, write } from './units.js';

/** @import { ClusterStatus, NodeStatusReport, ReleaseSummary } from '../src/host/cluster-status.ts' */
/** @import { Row } from './rows.js' */
/** @typedef {readonly (readonly [role: string, release: ReleaseSummary])[]} Roles */

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {ClusterStatus | undefined} status undefined: the ranker knows no cluster, or it is not shown */
export function writeCluster(status) {
  part('cluster').hidden = status === undefined;
  part('cluster-problem').textContent = '';
  if (status === undefined) return;
  const { source, revision, nodes, rankers } = status;
  const roles = rolesOf(status);
  part('source').textContent = revision === undefined ? source : `${source}, revision ${revision}`;
  rowsOf(part('releases'), roles.map(releaseRow(nodes, rankers)));
  rowsOf(part('holders'), nodes.map(holderRow(roles)));
  part('followers-table').hidden = rankers === undefined;
  rowsOf(part('followers'), (rankers ?? []).map(followerRow(roles)));
}

/** What is shown of it is old. @param {string} reason */
export function clusterFailed(reason) {
  part('cluster-problem').textContent = reason;
}

/** What changes of a cluster are called. @param {ClusterStatus} status @returns {string} */
export function clusterNews({ serving, next, previous }) {
  const parts = [
    `${serving.plan} is served`,
    ...(next ? [`${next.plan} comes`] : []),
    ...(previous ? [`${previous.plan} goes`] : []),
  ];
  return `Releases: ${parts.join(', ')}.`;
}

/** @param {ClusterStatus} status @returns {Roles} */
function rolesOf({ serving, next, previous }) {
  /** @type {readonly (readonly [string, ReleaseSummary | undefined])[]} */
  const all = [
    ['serving', serving],
    ['next', next],
    ['previous', previous],
  ];
  return all.flatMap(([role, release]) => (release ? [/** @type {const} */ ([role, release])] : []));
}

/** @param {Roles} roles @param {string} plan @returns {string} what the plan is for the cluster, or the plan if it has no part in it */
function roleOf(roles, plan) {
  return roles.find(([, release]) => release.plan === plan)?.[0] ?? plan;
}

/** @param {NodeStatusReport} node @param {string} plan @returns {string | undefined} what a node says of a release */
function stateAt({ plan: served, releases }, plan) {
  // Nodes of an earlier version say only what they serve.
  if (!releases) return served === plan ? 'ready' : undefined;
  return releases.find((release) => release.plan === plan)?.state;
}

/**
 * @param {ClusterStatus['nodes']} nodes @param {ClusterStatus['rankers']} rankers
 * @returns {(role: Roles[number]) => Row}
 */
function releaseRow(nodes, rankers) {
  return ([role, { plan, from = none, versions, tables, shards, nodes: places }]) => {
    const states = nodes.map((node) => stateAt(node, plan));
    const [ready, loading, failed] = ['ready', 'loading', 'failed'].map(
      (state) => states.filter((each) => each === state).length,
    );
    const others = [
      ...(loading > 0 ? [`${loading} loading`] : []),
      ...(failed > 0 ? [`${failed} failed`] : []),
    ];
    const users = rankers?.filter((ranker) => ranker.plan === plan).length;
    return {
      bad: failed > 0,
      cells: [
        ...[role, plan, from, versions.join(', ') || none, whole(tables), whole(shards)],
        [`${ready} of ${places} ready`, ...others].join(', '),
        whole(users),
      ],
    };
  };
}

/** @param {Roles} roles @returns {(node: NodeStatusReport) => Row} */
function holderRow(roles) {
  return (node) => {
    const { answers, problem, plan, releases, suspect, lease } = node;
    const said = releases ?? (plan ? [{ plan, state: 'ready', problem: undefined }] : []);
    const has = said.map((release) => {
      const why = release.problem ? `: ${release.problem}` : '';
      return `${roleOf(roles, release.plan)} ${release.state}${why}`;
    });
    const { room } = lease ?? {};
    const all = room?.totalBytes === undefined ? '' : ` of ${write(room.totalBytes, bytes)}`;
    return {
      bad: !answers || said.some(({ state }) => state === 'failed'),
      cells: [
        node.node,
        answers ? has.join(', ') || 'starting' : `does not answer: ${problem ?? none}`,
        room ? `${write(room.usedBytes, bytes)}${all}` : none,
        lease ? `${write(lease.ageMs / 1_000, seconds)} ago` : suspect ? 'none' : none,
        lease?.version ?? none,
      ],
    };
  };
}

/** @param {Roles} roles @returns {(ranker: NonNullable<ClusterStatus['rankers']>[number]) => Row} */
function followerRow(roles) {
  return ({ id, host, plan, since, ageMs, version }) => {
    const role = roleOf(roles, plan);
    return {
      bad: role !== 'serving',
      cells: [
        id,
        role,
        since ? date(Date.parse(since)) : none,
        host || none,
        `${write(ageMs / 1_000, seconds)} ago`,
        version || none,
      ],
    };
  };
}
