// The tables of this node as its own lookups see them. Rows that other nodes hold belong to one node that is never asked.
import { FlexemrError, show } from '../errors.ts';
import { u32Max } from '../limits.ts';
import { LookupTable, type TablePlace } from '../lookup/lookup-table.ts';
import type { LookupPlan, NodeState, PlanMemory } from '../lookup/plan-memory.ts';
import type { Workspace, WrittenPlan } from '../lookup/workspace.ts';
import type { RowDtype, TableMode } from '../plan/table-spec.ts';
import type { NodeDescription, ServedTable } from '../wire/handler.ts';
import type { HostedShard, Hosting } from './hosting.ts';

/** Places in the plan. */
export const thisNode = 0;
const otherNodes = 1;

/** Nothing is sent to other nodes, so that nothing is too large for them. */
const unlimited = { subrequestBytes: u32Max, replyBytes: u32Max, subrequestKeys: u32Max };

/** A shard that this node holds of a table: rows, or hashes of ids, [begin, end). */
export interface OwnShard {
  readonly begin: number;
  readonly end: number;
}

/** A plan of one node. */
export class OwnTables implements WrittenPlan {
  readonly plan: LookupPlan;
  readonly written: PlanMemory | undefined;
  readonly states: readonly NodeState[];
  readonly #tables: ReadonlyMap<string, LookupTable>;
  readonly #shards: ReadonlyMap<number, OwnShard>;

  constructor({ shards, description }: Hosting, limits: NodeDescription['limits'], workspace: Workspace) {
    const hosted = new Map(shards.map((shard) => [shard.number, shard]));
    const tables = description.tables.map((table, place) => lookupTable(table, place, hosted));
    this.plan = { tables, nodes: [description.node, 'other nodes'] };
    this.states = [limits, unlimited].map((limits) => ({ limits, readsRows: false }));
    this.written = workspace.write(this.plan);
    this.#tables = new Map(tables.map((table) => [table.spec.name, table]));
    this.#shards = new Map(
      description.tables.flatMap(({ shards }) => shards.map((shard) => [shard.shard, shard] as const)),
    );
  }

  /** Finds a table. @throws UNKNOWN_TABLE */
  readonly tableOf = (name: string, feature: string): LookupTable => {
    const table = this.#tables.get(name);
    if (table) return table;
    const message = `${feature}: this node holds no shard of table ${show(name)}; GET /v1/tables lists its tables`;
    throw new FlexemrError('UNKNOWN_TABLE', message, { field: feature, value: name });
  };

  /** A shard of this node; undefined if another node holds it. */
  shard(number: number): OwnShard | undefined {
    return this.#shards.get(number);
  }
}

function lookupTable(
  { name, dim, mode, dtype, version, indexed, shards }: ServedTable,
  place: number,
  hosted: ReadonlyMap<number, HostedShard>,
): LookupTable {
  const own = shards.toSorted((a, b) => a.begin - b.begin);
  const parts = own.flatMap(({ shard }) => hosted.get(shard) ?? []);
  const [
    {
      missing,
      rows: { tableRows },
    },
  ] = parts;
  // Only the last shard of a table answers with the default row, and only its node knows whether there is one.
  const hasDefault = parts.every(({ rows: { last, defaultRow } }) => !last || defaultRow !== 0);
  const defaultRow = hasDefault ? [] : undefined;
  const places = placesOf(own, indexed ? u32Max : tableRows - 1);
  const spec = {
    name,
    rows: tableRows,
    dim,
    mode: mode as TableMode,
    dtype: dtype as RowDtype,
    missing,
    defaultRow,
  };
  // There is no padding key: nodes find it, so that each of its positions is reported by one node only.
  return new LookupTable(place, { spec, version, indexed }, places);
}

/** Places up to the last row number or hash. */
function placesOf(own: ServedTable['shards'], last: number): TablePlace[] {
  const places: TablePlace[] = [];
  let next = 0;
  for (const { shard, begin, end } of own) {
    if (begin > next) places.push({ last: begin - 1, number: u32Max, node: otherNodes });
    places.push({ last: end - 1, number: shard, node: thisNode });
    next = end;
  }
  if (next <= last) places.push({ last, number: u32Max, node: otherNodes });
  return places;
}
