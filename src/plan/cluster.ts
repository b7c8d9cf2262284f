// What a cluster serves, and the change that is under way. Plain data: a file, or an entry of NATS, holds it as JSON.
import * as v from 'valibot';
import { check, read } from '../check.ts';
import { tablesPathCharsMax } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import { fingerprint } from './fingerprint.ts';
import { invalidRouting } from './routing-check.ts';
import { parseDocument, readDocument, routingJson } from './routing-json.ts';
import type { RoutingTable } from './routing-table.ts';

/** A routing table, and where its rows come from. */
export interface Release {
  readonly routing: RoutingTable;
  /** The path or the address of its tables, as the nodes see it. Undefined: the tables that each node was started with. */
  readonly tables?: string | undefined;
}

/**
 * Rankers use `serving`. Nodes serve all of them at once: they load `next` beside it, and keep `previous` until no ranker uses
 * it any more. There are never both.
 */
export interface Cluster {
  readonly serving: Release;
  readonly next?: Release | undefined;
  readonly previous?: Release | undefined;
  /** Whether `previous` was to replace `serving`, and was aborted. */
  readonly aborted?: boolean | undefined;
}

const format = 'flexemr-cluster-1';

const release = v.strictObject({
  tables: v.optional(v.pipe(v.string(), v.nonEmpty(), v.maxLength(tablesPathCharsMax))),
  routing: v.unknown(),
});

const document = v.strictObject({
  format: v.literal(format),
  serving: release,
  next: v.optional(release),
  previous: v.optional(release),
  aborted: v.optional(v.boolean()),
});

/** All releases of a cluster, the most important one first. */
export function releasesOf({ serving, next, previous }: Cluster): Release[] {
  return [serving, next, previous].filter((each) => each !== undefined);
}

/** Those in which a node has a place. */
export function namedReleases(cluster: Cluster, node: string): Release[] {
  return releasesOf(cluster).filter(({ routing }) => routing.nodes.some(({ id }) => id === node));
}

/** The release that a node begins with. */
export function firstRelease(cluster: Cluster, node: string): Release {
  return namedReleases(cluster, node)[0] ?? cluster.serving;
}

/** Reads a cluster, or a routing table, which is a cluster without a change. @param source for messages @throws INVALID_ROUTING */
export function parseCluster(json: string, source = 'cluster'): Cluster {
  check(v.string(), json, 'json', 'INVALID_ROUTING');
  const given = parseDocument(json, source);
  const isCluster = typeof given === 'object' && given !== null && 'serving' in given;
  if (!isCluster) return { serving: { routing: readDocument(given, source) } };
  const { serving, next, previous, aborted } = read(document, given, ({ path, value, problem }) =>
    invalidRouting(source, path || 'cluster', value, `${path || 'cluster'}: ${problem}`),
  );
  if (next !== undefined && previous !== undefined)
    throw invalidRouting(source, 'next', undefined, 'has both next and previous; a change has one of them');
  const checked = (each: v.InferOutput<typeof release>, field: string): Release => {
    return { ...each, routing: readDocument(each.routing, `${source}, ${field}`) };
  };
  return {
    serving: checked(serving, 'serving'),
    ...(next && { next: checked(next, 'next') }),
    ...(previous && { previous: checked(previous, 'previous') }),
    ...(aborted && { aborted }),
  };
}

/** A cluster as JSON for `parseCluster`. A cluster without a change and sources is written as its routing table. */
export function clusterJson(cluster: Cluster): string {
  const { serving, next, previous, aborted } = cluster;
  if (next === undefined && previous === undefined && serving.tables === undefined)
    return routingJson(serving.routing);
  const parts = Object.entries({ serving, next, previous }).filter(([, each]) => each !== undefined);
  const texts = parts.map(([name, each]) => `  ${JSON.stringify(name)}: ${releaseJson(each as Release)}`);
  if (aborted) texts.push('  "aborted": true');
  return `{\n  "format": ${JSON.stringify(format)},\n${texts.join(',\n')}\n}\n`;
}

function releaseJson({ tables, routing }: Release): string {
  const from = tables === undefined ? '' : `"tables": ${JSON.stringify(tables)}, `;
  return `{ ${from}"routing": ${routingJson(routing).trimEnd().replaceAll('\n', '\n  ')} }`;
}

/** Whether two releases have the same rows in the same places. */
export function isSame(one: Release, other: Release | undefined): boolean {
  return other !== undefined && fingerprint(one.routing) === fingerprint(other.routing);
}

/** Nodes are to load a release beside what they serve. @throws INVALID_OPTION if another change is under way */
export function begin(cluster: Cluster, next: Release): Cluster {
  if (cluster.previous !== undefined || (cluster.next !== undefined && !isSame(next, cluster.next)))
    throw otherChange();
  if (isSame(next, cluster.serving)) throw invalid('the cluster serves this release already');
  return { ...cluster, next };
}

/** All nodes have loaded `next`: rankers are to use it. */
export function flip({ serving, next }: Cluster): Cluster {
  if (next === undefined) throw invalid('no change of the cluster is under way');
  return { serving: next, previous: serving };
}

/** No ranker uses `previous` any more: nodes are to free it. */
export function end({ serving }: Cluster): Cluster {
  return { serving };
}

/** Goes back: nodes free `next`; or rankers are to use `previous` again, and nodes keep what was served until no ranker uses it. */
export function abort(cluster: Cluster): Cluster {
  const { serving, next, previous, aborted } = cluster;
  if (next !== undefined) return { serving };
  if (aborted) return cluster;
  if (previous === undefined) throw invalid('no change of the cluster is under way');
  return { serving: previous, previous: serving, aborted: true };
}

export function otherChange(): FlexemrError {
  return invalid('another change of the cluster is under way: let it end, or abort it with --abort');
}

function invalid(message: string): FlexemrError {
  return new FlexemrError('INVALID_OPTION', message, { field: 'cluster' });
}
