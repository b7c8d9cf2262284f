// Memory nodes on simulated machines, with the production listener in front of each worker.
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { Machine, type Network } from '../../src/simulation/network.ts';
import { type Health, SimulatedWorker } from '../../src/simulation/worker.ts';
import type { World } from '../../src/simulation/world.ts';
import { Listener } from '../../src/transport/listener.ts';
import { cutOf, nodeNames, type Plan } from './plan.ts';
import type { SimulatedRows } from './rows.ts';

/** Times that a node may get another routing table in a simulation. Each process has memory of its own for its slots. */
export const movesMax = 2;
const processesMax = movesMax + 1;
const firstPort = 10_000;
/** Ports that a node may use in a simulation. */
const portsPerNode = 1_000;
/** Rankers send it. A node with a token answers to every name. */
export const token = 'simulated';

/** The slot ranges that a cluster needs. */
export function slotRanges({ nodes, workers }: Plan): number {
  return nodes * workers * processesMax;
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** A process that serves the shards of a node by one routing table. */
export class NodeProcess {
  readonly workers: SimulatedWorker[] = [];
  readonly ports: readonly number[];
  readonly #network: Network;
  readonly #listeners: Listener[] = [];
  /** Bytes of slots of each worker that were free when it started. */
  readonly #free: number[] = [];

  constructor(network: Network, ports: readonly number[]) {
    this.#network = network;
    this.ports = ports;
  }

  get url(): string {
    return urlOf(this.ports[0]);
  }

  async start(name: string, rows: SimulatedRows, routing: RoutingTable, slots: number, health: Health) {
    const ports = this.ports.map((port) => ({ port }));
    for (const [i, port] of this.ports.entries()) {
      const node = new MemoryNode(name, ports);
      node.host(rows.hosting(routing, name, slots + i));
      const worker = new SimulatedWorker(node, health);
      this.workers.push(worker);
      this.#free.push(node.stats.slotBytesFree);
      this.#listeners.push(
        await Listener.open(worker, { host: '127.0.0.1', port, security: { token } }, undefined),
      );
    }
  }

  /** @throws if a worker holds a subrequest, or memory for one */
  check(name: string): void {
    for (const [i, { node }] of this.workers.entries()) {
      const { stats } = node;
      const slotBytesFree = this.#free[i];
      if (stats.held > 0 || stats.waiting > 0)
        throw new Error(`${name} holds ${stats.held} subrequests, of which ${stats.waiting} wait`);
      if (stats.slotBytesFree !== slotBytesFree)
        throw new Error(`${name} has ${stats.slotBytesFree} bytes of slots, not ${slotBytesFree}`);
    }
  }

  /** Ends at once. */
  crash(): void {
    for (const port of this.ports) this.#network.crash(port);
  }

  /** Ends after its answers have been sent. */
  async stop(): Promise<void> {
    for (const { node } of this.workers) node.drain();
    await this.close();
  }

  /** Ends what is left of it. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
  }
}

/** A memory node: its machine, and its processes one after the other. */
export class SimulatedNode {
  readonly name: string;
  readonly machine: Machine;
  readonly health: Health;
  readonly #network: Network;
  readonly #rows: SimulatedRows;
  readonly #plan: Plan;
  readonly #place: number;
  /** All that were ever started. */
  readonly processes: NodeProcess[] = [];
  #current: NodeProcess | undefined;
  #routing: RoutingTable | undefined;
  #moves = 0;
  #dead = false;

  constructor(place: number, plan: Plan, rows: SimulatedRows, network: Network, health: Health) {
    this.name = nodeNames(plan.nodes)[place];
    this.machine = new Machine(this.name);
    this.health = health;
    this.#place = place;
    this.#plan = plan;
    this.#rows = rows;
    this.#network = network;
  }

  get url(): string {
    return this.#process(this.#moves).url;
  }

  /** The addresses of its workers. */
  get urls(): ReadonlySet<string> {
    return new Set(this.#process(this.#moves).ports.map(urlOf));
  }

  /** Whether it serves. */
  get up(): boolean {
    return this.#current !== undefined && !this.machine.held;
  }

  #process(moves: number): NodeProcess {
    const { workers } = this.#plan;
    const first = firstPort + this.#place * portsPerNode + moves * workers;
    const ports = Array.from({ length: workers }, (_, i) => first + i);
    return new NodeProcess(this.#network, ports);
  }

  /** Starts a process with the routing table that it had before. Does nothing if it has one. */
  async start(routing: RoutingTable | undefined = this.#routing): Promise<void> {
    if (this.#dead || routing === undefined || this.#current !== undefined) return;
    this.#routing = routing;
    const process = this.#process(this.#moves);
    this.#current = process;
    this.processes.push(process);
    for (const port of process.ports) this.#network.place(port, this.machine);
    const range = (this.#place * processesMax + (this.#moves % processesMax)) * this.#plan.workers;
    await process.start(this.name, this.#rows, routing, range, this.health);
  }

  crash(): void {
    this.#current?.crash();
    this.#current = undefined;
  }

  /** Never serves again. @param silent nobody is told that its connections have ended */
  die(silent: boolean): void {
    this.#dead = true;
    if (silent) this.machine.hold();
    this.crash();
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Serves by another routing table, at the same ports. */
  async restart(routing: RoutingTable, downMs: number): Promise<void> {
    this.crash();
    this.#routing = routing;
    await new Promise((done) => setTimeout(done, downMs));
    await this.start();
  }

  /**
   * Starts a process at other ports. `serve` gives it its routing table, which names the ports of all nodes.
   * @returns a function that stops the old process
   */
  move(): () => Promise<void> {
    const old = this.#current;
    this.#moves++;
    this.#current = undefined;
    return async () => await old?.stop();
  }

  /** Stops all processes. */
  async close(): Promise<void> {
    this.#current = undefined;
    await Promise.all(this.processes.map((process) => process.close()));
  }
}

/** Every node of a plan, and the routing table that the ranker reads. */
export class SimulatedCluster {
  readonly nodes: readonly SimulatedNode[];
  readonly #routings: RoutingTable[];
  #published = 0;
  #onChange: (routing: RoutingTable) => void = () => {};

  constructor(
    { plan, rows }: { readonly plan: Plan; readonly rows: SimulatedRows },
    network: Network,
    healthOf: (node: string) => Health,
  ) {
    this.nodes = nodeNames(plan.nodes).map(
      (name, i) => new SimulatedNode(i, plan, rows, network, healthOf(name)),
    );
    this.#routings = [this.routingOf(plan.tables)];
  }

  /** What the ranker gets if it reads the routing table. */
  get routing(): RoutingTable {
    return this.#routings[this.#routings.length - 1];
  }

  set routing(routing: RoutingTable) {
    if (routing !== this.routing) this.#routings.push(routing);
  }

  /** Number of the routing table that the ranker was told last. It may have read a later one. */
  get published(): number {
    return this.#published;
  }

  /** The cuts of a table in the routing tables from a number on. */
  cutsOf(name: string, from: number): string[] {
    return this.#routings
      .slice(from)
      .flatMap(({ tables }) => tables.filter(({ spec }) => spec.name === name).map(cutOf));
  }

  /** The nodes that have ever had a shard of these tables. */
  nodesOf(names: ReadonlySet<string>): Set<string> {
    const tables = this.#routings
      .flatMap((routing) => routing.tables)
      .filter(({ spec }) => names.has(spec.name));
    return new Set(tables.flatMap(({ shards }) => shards.map(({ node }) => node)));
  }

  routingOf(tables: RoutingTable['tables']): RoutingTable {
    return { nodes: this.nodes.map(({ name, url }) => ({ id: name, url })), tables };
  }

  async start(): Promise<void> {
    for (const node of this.nodes) await node.start(this.routing);
  }

  /** What the ranker reads. */
  source(world: World): {
    read: () => Promise<RoutingTable>;
    watch: (onChange: (routing: RoutingTable) => void) => () => void;
  } {
    return {
      read: async () => {
        await world.sleep(1);
        return this.routing;
      },
      watch: (onChange) => {
        this.#onChange = onChange;
        return () => {
          this.#onChange = () => {};
        };
      },
    };
  }

  /** The routing table changes now. */
  publish(routing: RoutingTable): void {
    this.routing = routing;
    this.#published = this.#routings.length - 1;
    this.#onChange(routing);
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }
}
