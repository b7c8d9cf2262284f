// A small, fixed memory node. It gave the recorded replies in frames/, and must still give the same.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TableMode, TableSpec } from '../../src/index.ts';
import { fingerprint } from '../../src/plan/fingerprint.ts';
import type { PlannedTable, RoutingTable } from '../../src/plan/routing-table.ts';
import { unreadIdentity } from '../../src/wire/frame-identity.ts';
import type { Handler } from '../../src/wire/handler.ts';
import { localNode } from '../local-node.ts';
import { type GivenTable, writeTables } from '../tables-file.ts';

const rows = 40;

function table(name: string, mode: TableMode, dim: number, more: Partial<TableSpec> = {}): GivenTable {
  // Positive and negative multiples of 1/64, which are exact as f16. Neighbours differ.
  const values = Float32Array.from({ length: rows * dim }, (_, i) => (((i * 2654435761) % 512) - 256) / 64);
  return { spec: { name, rows, dim, mode, ...more }, rows: values };
}

/** Ids that are far apart; some have their high bits set. */
export const ids = BigUint64Array.from({ length: rows }, (_, row) =>
  BigInt.asUintN(64, BigInt(row + 1) * 0x9e3779b97f4a7c15n),
);

const tables: readonly GivenTable[] = [
  table('sum', 'sum', 5),
  table('mean', 'mean', 8, { dtype: 'f16' }),
  table('sqrtn', 'sqrtn', 6, { dtype: 'int8' }),
  table('max', 'max', 7, { dtype: 'int4' }),
  table('none', 'none', 3, { padding: -1, missing: 'skip' }),
  table('padded', 'mean', 4, { padding: 3, missing: 'skip' }),
  { ...table('ids', 'sum', 4, { missing: 'default', defaultRow: [1, -2, 0.5, 8] }), ids },
];

/** Each table has two shards: 0 and 1 of `sum`, 2 and 3 of `mean`, … */
const routing: RoutingTable = {
  nodes: [{ id: 'small' }],
  tables: tables.map(({ spec, ids }, i): PlannedTable => {
    const end = ids ? 2 ** 32 : rows;
    const cut = ids ? 2 ** 31 : 17;
    const shards = [
      { node: 'small', begin: 0, end: cut },
      { node: 'small', begin: cut, end },
    ];
    return { spec, version: i + 1, indexed: ids !== undefined, shards };
  }),
};

/** The plan that subrequests to the node must name. */
export const plan = fingerprint(routing);

/** Starts the node. */
export async function smallNode(): Promise<Handler> {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-wire-'));
  try {
    const file = join(folder, 'tables.safetensors');
    await writeTables(file, tables);
    return await localNode({ tables: file, routing, node: 'small', slotBytes: 2 ** 20 });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** @returns the node's reply to a frame */
export async function ask(node: Handler, frame: Uint8Array): Promise<Uint8Array> {
  const inbox = node.admit(frame.length);
  if ('code' in inbox) return node.refuse(unreadIdentity, inbox);
  inbox.frame.set(frame);
  return await new Promise((resolve) => {
    inbox.answer((reply) => {
      resolve(Uint8Array.from(reply));
      inbox.release();
    });
  });
}
