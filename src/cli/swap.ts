import { resolve } from 'node:path';
import { openClusterSource } from '../host/cluster-source.ts';
import { openTransport } from '../host/open-transport.ts';
import { plannedTables } from '../host/plan-cluster.ts';
import { type RollOutStep, rollBack, rollOut } from '../host/roll-out.ts';
import type { Release } from '../plan/cluster.ts';
import type { NodeLease } from '../plan/cluster-leases.ts';
import { nextPlan, nextVersion } from '../plan/next-release.ts';
import type { Split } from '../plan/planner.ts';
import type { PlannedNode } from '../plan/routing-table.ts';
import { type NatsOptions, readNats } from './nats-options.ts';
import { readSecurity, type SecurityOptions } from './security.ts';
import { type TableOptions, tableSource } from './table-source.ts';

export interface ChangeOptions extends SecurityOptions, NatsOptions {
  /** The cluster: a file with its routing table, or nats://HOST:PORT/BUCKET. */
  readonly routing: string;
  /** Seconds to wait for nodes and for rankers each. */
  readonly timeout?: number | undefined;
}

export interface SwapOptions extends ChangeOptions, TableOptions {
  readonly version: number;
  readonly verify?: boolean | undefined;
}

export interface RebalanceOptions extends ChangeOptions {
  readonly node: readonly PlannedNode[];
  readonly split: Split;
  readonly capacity?: number | undefined;
  readonly replicas?: number | undefined;
  readonly headroom?: number | undefined;
}

/** What a change has done. */
export interface ChangeReport {
  readonly steps: readonly RollOutStep[];
  readonly seconds: number;
}

/** `flexemr swap`: a new version of all tables takes the place of the one that is served. @throws as rollOut */
export async function swap(options: SwapOptions, onStep: (step: RollOutStep) => void): Promise<ChangeReport> {
  const source = await tableSource(options);
  const tables = await plannedTables(source, undefined, options.verify);
  // Nodes read it, perhaps from other folders.
  const from = /^https?:/i.test(options.tables) ? options.tables : resolve(options.tables);
  return await change(options, onStep, (serving) => nextVersion(serving, tables, options.version, from));
}

/**
 * `flexemr rebalance`: the tables that are served move to other nodes. A node for which no zone is given is in the one that it says
 * itself. @throws as rollOut
 */
export async function rebalance(
  options: RebalanceOptions,
  onStep: (step: RollOutStep) => void,
): Promise<ChangeReport> {
  const nodes = options.node.map((node) => ({ ...node, bytes: node.bytes ?? options.capacity }));
  const { split, replicas, headroom } = options;
  return await change(options, onStep, (serving, leases) => {
    const zones = new Map(leases.map(({ node, zone }) => [node, zone]));
    const placed = nodes.map((node) => ({ ...node, zone: node.zone ?? zones.get(node.id) }));
    return nextPlan(serving, { nodes: placed, split, replicas, headroom });
  });
}

/** Ends the change that is under way, and serves what was served before. @throws as rollBack */
export async function abort(
  options: ChangeOptions,
  onStep: (step: RollOutStep) => void,
): Promise<ChangeReport> {
  return await change(options, onStep);
}

async function change(
  options: ChangeOptions,
  onStep: (step: RollOutStep) => void,
  next?: (serving: Release, leases: readonly NodeLease[]) => Release,
): Promise<ChangeReport> {
  const began = performance.now();
  const security = await readSecurity(options);
  const transport = await openTransport({ name: 'stream', security, device: undefined });
  const store = await openClusterSource(options.routing, await readNats(options));
  const steps: RollOutStep[] = [];
  const waitMs = options.timeout && options.timeout * 1_000;
  const rolling = {
    ...{ transport, waitMs },
    onStep: (step: RollOutStep): void => {
      steps.push(step);
      onStep(step);
    },
  };
  try {
    if (next === undefined) await rollBack(store, rolling);
    else {
      const { cluster } = await store.read();
      const leases = (await store.leases?.read())?.nodes ?? [];
      await rollOut(store, next(cluster.serving, leases), rolling);
    }
    return { steps, seconds: Math.round((performance.now() - began) / 100) / 10 };
  } finally {
    await store.close();
    await transport.close();
  }
}
