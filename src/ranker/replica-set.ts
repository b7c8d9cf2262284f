import type { FlexemrError } from '../errors.ts';
import type { NodeState } from '../lookup/plan-memory.ts';
import { hedgeMsDefault, hedgeMsMin, hedgeQuantile, hedgeSamplesMin } from '../replica-limits.ts';
import type { NodeClient } from './node-client.ts';
import { Quantile } from './quantile.ts';

/** Nodes that hold the same shards: any of them answers a subrequest with the same bits. Most sets have one node. */
export class ReplicaSet implements NodeState {
  readonly members: readonly NodeClient[];
  /** How long replies take, by the size of the subrequest and its reply. */
  readonly #latencies: (Quantile | undefined)[] = [];

  constructor(members: readonly NodeClient[]) {
    this.members = members;
  }

  /** What errors call it. */
  get name(): string {
    return this.members.map(({ id }) => id).join(' or ');
  }

  /** Every member can take what is within them. */
  get limits(): NodeState['limits'] {
    if (this.members.length === 1) return this.members[0].limits;
    let { subrequestBytes, replyBytes, subrequestKeys } = this.members[0].limits;
    for (const { limits } of this.members) {
      subrequestBytes = Math.min(subrequestBytes, limits.subrequestBytes);
      replyBytes = Math.min(replyBytes, limits.replyBytes);
      subrequestKeys = Math.min(subrequestKeys, limits.subrequestKeys);
    }
    return { subrequestBytes, replyBytes, subrequestKeys };
  }

  /** A frame that asks only for rows is worthwhile if any member may be read. The others answer it as they answer every frame. */
  get readsRows(): boolean {
    return this.members.some(({ readsRows }) => readsRows);
  }

  /** Connects to its members. @throws as NodeClient.connect, unless one member is there and the others cannot be reached */
  async connect(): Promise<void> {
    const ends = await Promise.allSettled(this.members.map((member) => member.connect()));
    const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as FlexemrError] : []));
    const fatal = errors.find(({ code }) => code !== 'UNAVAILABLE' || errors.length === this.members.length);
    if (fatal !== undefined) throw fatal;
    for (const [i, { status }] of ends.entries())
      if (status === 'rejected') this.members[i].health.failed(performance.now());
  }

  /**
   * The member for an attempt. One that has not failed lately is better than one that has, then one that this subrequest was not
   * sent to, then the one that has less to do of two at random: if many rankers chose the very best, they would all choose the same.
   */
  choose(tried: readonly NodeClient[], now: number): NodeClient {
    return best(this.members, tried, now);
  }

  /** The member for an attempt at once, after others: one that this subrequest was not sent to, and that has not failed lately. */
  fresh(tried: readonly NodeClient[]): NodeClient | undefined {
    if (this.members.length === 1 || tried.length >= this.members.length) return undefined;
    const now = performance.now();
    const fresh = this.members.filter((member) => !tried.includes(member) && !member.health.hasFailed(now));
    return fresh.length === 0 ? undefined : best(fresh, tried, now);
  }

  /** Milliseconds after which a reply is late. @param bytes of a subrequest and its reply */
  lateMs(bytes: number): number {
    const latency = this.#latencies[sizeClass(bytes)];
    if (latency === undefined || latency.count < hedgeSamplesMin) return hedgeMsDefault;
    return Math.max(hedgeMsMin, latency.value);
  }

  /** A reply has come, or had not come when nobody waited for it any more. */
  took(bytes: number, ms: number): void {
    const size = sizeClass(bytes);
    this.#latencies[size] ??= new Quantile(hedgeQuantile);
    this.#latencies[size].add(ms);
  }
}

function best(members: readonly NodeClient[], tried: readonly NodeClient[], now: number): NodeClient {
  const start = Math.floor(Math.random() * members.length);
  let found = members[start];
  let foundRank = rankOf(found, tried, now);
  let alike = 1;
  for (let i = 1; i < members.length; i++) {
    const at = start + i;
    const member = members[at < members.length ? at : at - members.length];
    const rank = rankOf(member, tried, now);
    if (rank < foundRank) {
      found = member;
      foundRank = rank;
      alike = 1;
    } else if (rank === foundRank && ++alike === 2 && loadOf(member, now) < loadOf(found, now))
      found = member;
  }
  return found;
}

/** A lower one is better. */
function rankOf(member: NodeClient, tried: readonly NodeClient[], now: number): number {
  return 2 * Number(member.health.isHeld(now)) + Number(tried.length > 0 && tried.includes(member));
}

function loadOf(member: NodeClient, now: number): number {
  return member.outstanding + member.health.queued(now);
}

/** Each class is four times as large as the one before. */
function sizeClass(bytes: number): number {
  return (31 - Math.clz32(bytes)) >>> 1;
}
