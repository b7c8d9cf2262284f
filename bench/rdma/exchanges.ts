import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadHostings } from '../../src/host/file-shards.ts';
import { RegisteredTables } from '../../src/host/registered-tables.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { fingerprint } from '../../src/plan/fingerprint.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { Listener } from '../../src/transport/listener.ts';
import { loadVerbs } from '../../src/transport/rdma/device.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { RdmaPort } from '../../src/transport/rdma/rdma-port.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Outgoing, Session } from '../../src/transport/transport.ts';
import { SEQUENCE_BYTES, wireVersion } from '../../src/wire/layout.ts';
import { subrequestBytes, writeSubrequest } from '../../test/40.wire/write-subrequest.ts';
import { writeTables } from '../serving/rows.ts';

const table = { name: 'one', rows: 64, dim: 16, mode: 'sum', weighted: false } as const;
/** Subrequests in flight at each node. */
const inFlight = 16;

/** Nodes and the transport of a ranker in this thread. Each subrequest has one bag with one key. */
export class Exchanges implements AsyncDisposable {
  readonly #transport: RdmaTransport;
  readonly #sessions: readonly Session[];
  readonly #nodes: readonly Node[];
  readonly #outgoing: Outgoing;

  static async open(count: number): Promise<Exchanges> {
    const folder = await mkdtemp(join(tmpdir(), 'flexemr-rdma-'));
    try {
      const file = join(folder, 'tables.safetensors');
      await writeTables(file, [table]);
      const routing = routingOf();
      const nodes: Node[] = [];
      for (let i = 0; i < count; i++) nodes.push(await Node.open(file, routing));
      const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
      const exchanges = new Exchanges(transport, nodes, fingerprint(routing));
      await exchanges.#connected();
      return exchanges;
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  private constructor(transport: RdmaTransport, nodes: readonly Node[], plan: bigint) {
    this.#transport = transport;
    this.#nodes = nodes;
    this.#sessions = nodes.map(({ url }) => transport.session(url));
    this.#outgoing = outgoingOf(plan);
  }

  async #connected(): Promise<void> {
    const until = performance.now() + 10_000;
    while (!this.#sessions.every(({ readsRows }) => readsRows)) {
      if (performance.now() > until) throw new Error('cannot reach all nodes by RDMA');
      await new Promise((waited) => setTimeout(waited, 5));
    }
  }

  /** @returns the CPU ns of one exchange, and the part of it that the kernel takes */
  async run(exchanges: number): Promise<{ readonly total: number; readonly kernel: number }> {
    const busy = (): number => this.#nodes.reduce((sum, { node }) => sum + node.stats.busyUs, 0);
    const [busyBefore, before] = [busy(), process.cpuUsage()];
    let left = exchanges;
    const loop = async (session: Session): Promise<void> => {
      while (left-- > 0) (await session.send(this.#outgoing).reply).release();
    };
    await Promise.all(
      this.#sessions.flatMap((session) => Array.from({ length: inFlight }, () => loop(session))),
    );
    const { user, system } = process.cpuUsage(before);
    return {
      total: ((user + system) * 1000) / exchanges,
      kernel: ((busy() - busyBefore) * 1000) / exchanges,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport.close();
    for (const node of this.#nodes) await node.close();
  }
}

function routingOf(): RoutingTable {
  const { name, rows, dim, mode } = table;
  const shards = [{ node: 'n', begin: 0, end: rows }];
  return {
    nodes: [{ id: 'n' }],
    tables: [{ spec: { name, rows, dim, mode }, version: 1, indexed: false, shards }],
  };
}

function outgoingOf(plan: bigint): Outgoing {
  const segment = {
    ...{ shard: 0, version: 1, wide: false, partial: false, fetch: false, missing: undefined },
    ...{ keys: Uint32Array.of(3), offsets: Uint32Array.of(0, 1), weights: undefined },
  };
  const bytes = subrequestBytes([segment]);
  const head = { version: wireVersion, checksum: false, plan, timeLeftUs: 0, replyCredits: 64 };
  return {
    bytes,
    replyBytes: 64 + table.dim * 4 + 4,
    replyBytesMax: 64 + table.dim * 4 + 8 + SEQUENCE_BYTES,
    write: (words, at, id) => writeSubrequest(words, at, { ...head, id }, bytes, [segment]),
  };
}

/** The parts of a memory node's worker, in this thread. */
class Node {
  readonly node: MemoryNode;
  readonly url: string;
  readonly #listener: Listener;
  readonly #port: RdmaPort;
  readonly #tables: RegisteredTables;

  static async open(tables: string, routing: RoutingTable): Promise<Node> {
    const [hosting] = await loadHostings({ tables, routing, node: 'n', workers: 1 });
    const node = new MemoryNode('n', []);
    node.host(hosting);
    const registered = await RegisteredTables.open({});
    registered.register(hosting);
    const port = new RdmaPort(await loadVerbs(), registered.device, node, [registered.release(hosting)]);
    const listener = await Listener.open(node, { host: '127.0.0.1', port: 0 });
    listener.rdma = port;
    return new Node(node, listener, port, registered);
  }

  private constructor(node: MemoryNode, listener: Listener, port: RdmaPort, tables: RegisteredTables) {
    this.node = node;
    this.url = `http://127.0.0.1:${listener.port}`;
    this.#listener = listener;
    this.#port = port;
    this.#tables = tables;
  }

  async close(): Promise<void> {
    await this.#listener.close();
    this.#port.close();
    this.#tables.close();
  }
}
