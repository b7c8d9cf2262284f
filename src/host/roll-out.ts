// Changes of a cluster, step by step (docs/architecture.md). The cluster says which step is next, so a change that was interrupted
// goes on when it is asked for again.
import {
  releaseRetryMs,
  rollOutMsMax,
  rollOutPollMs,
  rollOutQuietMs,
  rollOutReadMs,
} from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import { abort, begin, end, flip, isSame, otherChange, type Release } from '../plan/cluster.ts';
import type { ClusterStore, ReadCluster } from '../plan/cluster-store.ts';
import { planName } from '../plan/fingerprint.ts';
import { holdersIn } from '../plan/routing-table.ts';
import type { Transport } from '../transport/transport.ts';
import type { NodeDescription, ReleaseStatus } from '../wire/handler.ts';
import { workerUrls } from '../wire/worker-urls.ts';

/** `begin`: nodes load it. `flip`: rankers are to use it. `end`: nothing else is used any more. */
export type RollOutStep = 'begin' | 'flip' | 'end' | 'abort';

export interface RollOutOptions {
  /** By which the nodes are asked what they have. */
  readonly transport: Pick<Transport, 'describe'>;
  /** How long to wait, in milliseconds, for nodes and for rankers each. Default: rollOutMsMax. */
  readonly waitMs?: number | undefined;
  /** If no node was asked for a release for so many milliseconds, no ranker uses it any more. Default: rollOutQuietMs. */
  readonly quietMs?: number | undefined;
  /** Called after each step. */
  readonly onStep?: ((step: RollOutStep) => void) | undefined;
}

/**
 * Makes a cluster serve a release, without a pause. Nodes load it, then rankers use it, then nodes free the one before.
 * @throws INVALID_OPTION if another change is under way, CONFLICT if another command has aborted this change, UNAVAILABLE if nodes or
 *   rankers do not follow, and the errors of the store. The change goes on when it is asked for again
 */
export async function rollOut(store: ClusterStore, next: Release, options: RollOutOptions): Promise<void> {
  for (let isBegun = false; ; ) {
    const { cluster, revision } = await store.read();
    if (isSame(next, cluster.serving)) {
      if (cluster.next !== undefined) throw otherChange();
      if (cluster.previous === undefined) return;
      await rankersFollow(store, { cluster, revision }, options);
      await step(store, { cluster: end(cluster), revision }, 'end', options);
    } else if (cluster.next !== undefined && isSame(next, cluster.next)) {
      await nodesLoad(store, { cluster, revision }, options);
      await step(store, { cluster: flip(cluster), revision }, 'flip', options);
    } else {
      if (isBegun) throw endedByOther();
      isBegun = await step(store, { cluster: begin(cluster, next), revision }, 'begin', options);
      continue;
    }
    isBegun = true;
  }
}

/** Ends the change that is under way, and serves what was served before it. @throws as rollOut */
export async function rollBack(store: ClusterStore, options: RollOutOptions): Promise<void> {
  for (;;) {
    const { cluster, revision } = await store.read();
    if (cluster.aborted) {
      await rankersFollow(store, { cluster, revision }, options);
      if (await step(store, { cluster: end(cluster), revision }, 'end', options)) return;
      continue;
    }
    const aborted = await step(store, { cluster: abort(cluster), revision }, 'abort', options);
    if (aborted && cluster.next !== undefined) return;
  }
}

/** @returns false if somebody else has changed the cluster meanwhile */
async function step(
  store: ClusterStore,
  { cluster, revision }: ReadCluster,
  name: RollOutStep,
  { onStep }: RollOutOptions,
): Promise<boolean> {
  try {
    await store.replace(cluster, revision);
  } catch (error) {
    if (error instanceof FlexemrError && error.code === 'CONFLICT') return false;
    throw error;
  }
  onStep?.(name);
  return true;
}

/** Waits until every worker of the nodes with shards serves the next release, or somebody has changed the cluster. @throws UNAVAILABLE */
async function nodesLoad(
  store: ClusterStore,
  { cluster, revision }: ReadCluster,
  options: RollOutOptions,
): Promise<void> {
  const { routing } = cluster.next as Release;
  const plan = planName(routing);
  const used = holdersIn(routing);
  const nodes = routing.nodes.filter(({ id }) => used.has(id));
  await until(store, revision, options, 'nodes do not serve the release', async (since) => {
    const states = await Promise.all(
      nodes.map(async ({ id, url }) => {
        const workers = url === undefined ? undefined : await workersOf(url, options);
        return { id, releases: workers?.map((worker) => nextOf(worker, plan)) };
      }),
    );
    for (const { id, releases } of states) {
      const failed = releases?.find((release) => release?.state === 'failed');
      // What had failed before may be tried again at first.
      if (failed !== undefined && performance.now() - since > 2 * releaseRetryMs)
        throw cannotLoad(id, failed);
    }
    return states
      .filter(
        ({ releases }) => releases === undefined || releases.some((release) => release?.state !== 'ready'),
      )
      .map(({ id, releases }) => `${id} ${releases === undefined ? 'does not answer' : 'loads'}`);
  });
}

/** Waits until no ranker uses the previous release, or somebody has changed the cluster. @throws UNAVAILABLE */
async function rankersFollow(
  store: ClusterStore,
  { cluster: { serving, previous }, revision }: ReadCluster,
  options: RollOutOptions,
): Promise<void> {
  if (previous === undefined) return;
  const [plan, old] = [serving, previous].map(({ routing }) => planName(routing));
  const { quietMs = rollOutQuietMs } = options;
  await until(store, revision, options, 'rankers still use the previous release', async (since) => {
    const used = await nodesAsked(previous, old, quietMs, options);
    const asked = used.map((id) => `somebody asks node ${id}`);
    // Last, because nodes that do not answer take their time, and leases change.
    const rankers = (await store.rankers?.()) ?? [];
    const behind = rankers.filter((ranker) => ranker.plan !== plan).map(({ id }) => `ranker ${id}`);
    const missing = [...behind, ...asked];
    // A file does not know its rankers, and leases may be lost. If nobody has asked a node for a while, everybody has followed.
    return missing.length === 0 && performance.now() - since < quietMs ? ['a moment'] : missing;
  });
}

/** The nodes that were asked for a release within the last `quietMs`. One that does not answer is asked by nobody. */
async function nodesAsked(
  { routing }: Release,
  plan: string,
  quietMs: number,
  options: RollOutOptions,
): Promise<string[]> {
  const asked = await Promise.all(
    routing.nodes.map(async ({ id, url }) => {
      const workers = url === undefined ? undefined : await workersOf(url, options);
      const idle = workers?.map((worker) => releaseOf(worker, plan)?.idleMs ?? quietMs) ?? [];
      return Math.min(...idle) < quietMs ? [id] : [];
    }),
  );
  return asked.flat();
}

/** Descriptions by all workers of a node. Undefined if one does not answer. */
async function workersOf(url: string, { transport }: RollOutOptions): Promise<NodeDescription[] | undefined> {
  try {
    const { workers } = await transport.describe(url);
    return await Promise.all(workerUrls(url, workers).map((each) => transport.describe(each)));
  } catch (error) {
    if (error instanceof FlexemrError && error.code === 'UNAVAILABLE') return undefined;
    throw error;
  }
}

/** What a node has of the next release. One that it does not know to be the next it may have from before, and free soon. */
function nextOf(worker: NodeDescription, plan: string): ReleaseStatus | undefined {
  return worker.next === undefined || worker.next === plan ? releaseOf(worker, plan) : undefined;
}

function releaseOf({ releases = [] }: NodeDescription, plan: string): ReleaseStatus | undefined {
  return releases.find((release) => release.plan === plan);
}

/**
 * Asks again and again, until nobody is missing or the cluster has another revision: then it is read again.
 * @param missing returns who is missing @throws UNAVAILABLE after a time
 */
async function until(
  store: ClusterStore,
  revision: string,
  { waitMs = rollOutMsMax }: RollOutOptions,
  what: string,
  missing: (since: number) => Promise<string[]>,
): Promise<void> {
  let readAt = performance.now();
  for (const since = readAt; ; ) {
    const all = await missing(since);
    if (all.length === 0) return;
    const now = performance.now();
    if (now - since > waitMs) {
      const message = `after ${waitMs} ms, ${what}: ${all.join(', ')}. Start the command again to go on, or abort the change`;
      throw new FlexemrError('UNAVAILABLE', message, { field: 'cluster' });
    }
    if (now - readAt > rollOutReadMs) {
      if (await isChanged(store, revision)) return;
      readAt = now;
    }
    await new Promise((done) => setTimeout(done, rollOutPollMs));
  }
}

/** Nobody has changed what cannot be read now. */
async function isChanged(store: ClusterStore, revision: string): Promise<boolean> {
  try {
    return (await store.read()).revision !== revision;
  } catch (error) {
    if (error instanceof FlexemrError && error.code === 'UNAVAILABLE') return false;
    throw error;
  }
}

function endedByOther(): FlexemrError {
  const message =
    'another command has aborted this change, or changed the cluster after it. Start the command again if it is still wanted';
  return new FlexemrError('CONFLICT', message, { field: 'cluster' });
}

function cannotLoad(node: string, { problem }: ReleaseStatus): FlexemrError {
  const message = `memory node ${node} cannot load the release: ${problem}. Mend that and start the command again, or abort the change`;
  return new FlexemrError('UNAVAILABLE', message, { node });
}
