// Our contenders: each memory node is in its own process, and the ranker is in this process.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { openRanker } from '../../src/host/open-ranker.ts';
import type { TransportName } from '../../src/host/transport-names.ts';
import type { openTables, Tables } from '../../src/local/tables.ts';
import { planSharding, type Split } from '../../src/plan/planner.ts';
import { routingJson } from '../../src/plan/routing-json.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { startChild } from './child.ts';
import type { Contender, Peer, PeerFactory, Serving } from './contender.ts';

/** A configuration: the number of nodes, whether tables are cut by rows, and the transports of the ranker. */
export interface Form {
  readonly nodes: number;
  readonly split: Split;
  readonly workers: number;
  readonly transports: readonly TransportName[];
  /** Runs the first transport without checksums too, with the same nodes, to show the cost of checksums. */
  readonly unchecked?: boolean;
}

const forms: readonly Form[] = [
  { nodes: 1, split: 'table', workers: 1, transports: ['stream', 'http'], unchecked: true },
  { nodes: 1, split: 'table', workers: 2, transports: ['stream'] },
  { nodes: 2, split: 'table', workers: 1, transports: ['stream'] },
  { nodes: 4, split: 'table', workers: 1, transports: ['stream'] },
  { nodes: 2, split: 'row', workers: 1, transports: ['stream'] },
];

const root: string = join(import.meta.dirname, '../..');

export const oursPeer: PeerFactory = {
  name: 'flexemr',
  ours: true,
  start: async (serving) => startOurs(serving, { prefix: '', forms, code: await loadCode(root) }),
};

/** A version of flexemr: the directory of its source, and its functions. */
interface Code {
  readonly directory: string;
  readonly openRanker: typeof openRanker;
  readonly openTables: typeof openTables;
}

export async function loadCode(directory: string): Promise<Code> {
  const entry: object = await import(pathToFileURL(join(directory, 'src/index.ts')).href);
  return { directory, ...(entry as Omit<Code, 'directory'>) };
}

/** What to start, and what the names of its contenders begin with. */
export interface Ours {
  readonly prefix: string;
  readonly forms: readonly Form[];
  readonly code: Code;
}

export async function startOurs(serving: Serving, ours: Ours): Promise<Peer> {
  await using closing = new AsyncDisposableStack();
  const contenders: Contender[] = [];
  for (const form of ours.forms) {
    const names = waysOf(form).map((way) => nameOf(ours, form, way));
    if (isWanted(serving, names)) contenders.push(...(await startForm(serving, ours, form, closing)));
  }
  if (isWanted(serving, [`${ours.prefix}in process`]))
    contenders.push(await inProcess(serving, ours, closing));
  const kept = closing.move();
  return { contenders, close: () => kept.disposeAsync() };
}

async function startForm(
  { workload, tablesFile, directory, leftovers }: Serving,
  ours: Ours,
  form: Form,
  closing: AsyncDisposableStack,
): Promise<Contender[]> {
  const { prefix, code } = ours;
  const ids = Array.from({ length: form.nodes }, (_, i) => `node-${i}`);
  const tables = workload.tables.map(({ name, rows, dim, mode }) => ({ spec: { name, rows, dim, mode } }));
  const { routing } = planSharding({ tables, nodes: ids.map((id) => ({ id })), split: form.split });
  const plan = join(directory, `${prefix.replace(/\W/g, '')}${formName(form)}.json`);
  writeFileSync(plan, routingJson(routing));
  const script = join(code.directory, 'bench/serving/ours-node.ts');
  const started = await Promise.all(
    ids.map((id) =>
      startChild<{ url: string }>(leftovers, script, [tablesFile, plan, id, String(form.workers)]),
    ),
  );
  for (const { child } of started) closing.defer(() => leftovers.end(child));
  const nodes = ids.map((id, i) => ({ id, url: started[i].message.url }));
  const pids = started.map(({ pid }) => pid);
  const contenders: Contender[] = [];
  for (const way of waysOf(form)) {
    const { transport, checksums } = way;
    const ranker = await code.openRanker({
      routing: { ...routing, nodes } satisfies RoutingTable,
      transport,
      checksums,
    });
    closing.defer(() => ranker.close());
    contenders.push(contender(nameOf(ours, form, way), ranker, pids));
  }
  return contenders;
}

/** A way to reach the nodes of a form. */
interface Way {
  readonly transport: TransportName;
  readonly checksums: boolean;
}

function waysOf({ transports, unchecked }: Form): Way[] {
  const ways = transports.map((transport) => ({ transport, checksums: true }));
  return unchecked ? [...ways, { transport: transports[0], checksums: false }] : ways;
}

function nameOf({ prefix }: Ours, form: Form, { transport, checksums }: Way): string {
  return `${prefix}${transport}, ${formName(form)}${checksums ? '' : ', no checksums'}`;
}

/** Whether some of these contenders will be measured. Each form holds all tables once more. */
function isWanted({ wanted }: Serving, names: readonly string[]): boolean {
  return wanted.length === 0 || names.some((name) => wanted.includes(name));
}

/** The tables in this process, without a memory node. */
async function inProcess(
  { tablesFile }: Serving,
  { prefix, code }: Ours,
  closing: AsyncDisposableStack,
): Promise<Contender> {
  const tables = closing.use(await code.openTables(tablesFile, { threads: 1 }));
  return contender(`${prefix}in process`, tables, []);
}

function formName({ nodes, split, workers }: Form): string {
  const rows = split === 'row' ? ' by rows' : '';
  const spread = `${nodes === 1 ? '1 node' : `${nodes} nodes`}${rows}`;
  return workers === 1 ? spread : `${spread}, ${workers} workers`;
}

function contender(name: string, source: Ranker | Tables, pids: number[]): Contender {
  return {
    name,
    async lookup({ bags }) {
      const pooled = await source.lookup(bags);
      const vectors = Array.from(pooled.values(), ({ values }) => values);
      return Object.assign(vectors, { [Symbol.dispose]: () => pooled[Symbol.dispose]() });
    },
    serverPids: () => pids,
  };
}
