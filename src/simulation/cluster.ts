// Memory nodes on simulated machines, with the production listener in front of each worker.
import type { Hosting } from '../memory-node/hosting.ts';
import { MemoryNode } from '../memory-node/memory-node.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import { Listener } from '../transport/listener.ts';
import { type Address, Machine, type Network } from './network.ts';
import { type Cores, Nic, Processor, type ThreadCosts } from './processor.ts';
import { type Health, SimulatedWorker } from './worker.ts';
import type { World } from './world.ts';

/** Times that a node may get another routing table in a simulation. Each process has memory of its own for its slots. */
export const movesMax = 2;
const processesMax = movesMax + 1;
const firstPort = 4_100;
/** Rankers send it. A node with a token answers to every name. */
export const token = 'simulated';

export interface ClusterOptions {
  readonly world: World;
  readonly network: Network;
  readonly nodes: readonly string[];
  /** Worker threads of each node. */
  readonly workers: number;
  readonly tables: RoutingTable['tables'];
  readonly rows: {
    /** What a worker needs to serve the shards of a node. @param slots number of its share of the memory for slots */
    hosting(routing: RoutingTable, node: string, slots: number): Hosting;
    /** Changes the keys of a frame into keys of rows that there are. Default: there are all rows. */
    readonly fold?: ((frame: Uint8Array) => void) | undefined;
  };
  readonly healthOf: (node: string) => Health;
  /** Of each worker. */
  readonly costs?: ThreadCosts | undefined;
  /** Of all machines together. Default: each worker has a core of its own. */
  readonly cores?: Cores | undefined;
}

/** The slot ranges that a cluster needs. */
export function slotRanges(nodes: number, workers: number): number {
  return nodes * workers * processesMax;
}

function urlOf({ host, port }: Address): string {
  return `http://${host}:${port}`;
}

/** A process that serves the shards of a node by one routing table. */
export class NodeProcess {
  readonly workers: SimulatedWorker[] = [];
  /** One per worker. */
  readonly processors: readonly Processor[];
  readonly addresses: readonly Address[];
  readonly #of: ClusterOptions;
  readonly #listeners: Listener[] = [];
  #crashed = false;
  /** Bytes of slots of each worker that were free when it started. */
  readonly #free: number[] = [];

  constructor(of: ClusterOptions, addresses: readonly Address[], processors: readonly Processor[]) {
    this.#of = of;
    this.addresses = addresses;
    this.processors = processors;
  }

  async start(name: string, routing: RoutingTable, slots: number, health: Health): Promise<void> {
    const { world, rows } = this.#of;
    const ports = this.addresses.map(({ port }) => ({ port }));
    for (const [i, address] of this.addresses.entries()) {
      const node = new MemoryNode(name, ports);
      node.host(rows.hosting(routing, name, slots + i));
      const worker = new SimulatedWorker(node, health, rows.fold);
      this.workers.push(worker);
      this.#free.push(node.stats.slotBytesFree);
      // It may have crashed while it started.
      const listen = async (): Promise<void> => {
        if (this.#crashed) return;
        this.#listeners.push(await Listener.open(worker, { ...address, security: { token } }, undefined));
      };
      await world.in(this.processors[i], listen);
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
    this.#crashed = true;
    for (const address of this.addresses) this.#of.network.crash(address);
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
  readonly #of: ClusterOptions;
  readonly #place: number;
  readonly nic: Nic = new Nic();
  /** All that were ever started. */
  readonly processes: NodeProcess[] = [];
  #current: NodeProcess | undefined;
  #routing: RoutingTable | undefined;
  #moves = 0;
  #dead = false;

  constructor(place: number, of: ClusterOptions) {
    this.name = of.nodes[place];
    this.machine = new Machine(this.name);
    this.health = of.healthOf(this.name);
    this.#place = place;
    this.#of = of;
  }

  get url(): string {
    return urlOf(this.#addresses[0]);
  }

  /** The addresses of its workers. */
  get urls(): ReadonlySet<string> {
    return new Set(this.#addresses.map(urlOf));
  }

  /** Whether it serves. */
  get up(): boolean {
    return this.#current !== undefined && !this.machine.held;
  }

  get #addresses(): Address[] {
    const { workers } = this.#of;
    const host = `10.0.${this.#place >>> 8}.${this.#place & 0xff}`;
    const first = firstPort + this.#moves * workers;
    return Array.from({ length: workers }, (_, i) => ({ host, port: first + i }));
  }

  /** Starts a process with the routing table that it had before. Does nothing if it has one. */
  async start(routing: RoutingTable | undefined = this.#routing): Promise<void> {
    if (this.#dead || routing === undefined || this.#current !== undefined) return;
    const { network, workers, costs, cores } = this.#of;
    const addresses = this.#addresses;
    const processors = addresses.map((_, i) => new Processor(`${this.name}.${i}`, costs, this.nic, cores));
    const process = new NodeProcess(this.#of, addresses, processors);
    this.#routing = routing;
    this.#current = process;
    this.processes.push(process);
    for (const address of addresses) network.place(address, this.machine);
    const range = (this.#place * processesMax + (this.#moves % processesMax)) * workers;
    await process.start(this.name, routing, range, this.health);
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

/** Every node of a plan, and the routing tables that rankers read. */
export class SimulatedCluster {
  readonly nodes: readonly SimulatedNode[];
  readonly #world: World;
  /** All that there ever were, in order. */
  readonly routings: RoutingTable[];
  #published = 0;
  readonly #onChange = new Set<(routing: RoutingTable) => void>();

  constructor(of: ClusterOptions) {
    this.#world = of.world;
    this.nodes = of.nodes.map((_, i) => new SimulatedNode(i, of));
    this.routings = [this.routingOf(of.tables)];
  }

  /** What a ranker gets if it reads the routing table. */
  get routing(): RoutingTable {
    return this.routings[this.routings.length - 1];
  }

  set routing(routing: RoutingTable) {
    if (routing !== this.routing) this.routings.push(routing);
  }

  /** Number of the routing table that rankers were told last. They may have read a later one. */
  get published(): number {
    return this.#published;
  }

  routingOf(tables: RoutingTable['tables']): RoutingTable {
    return { nodes: this.nodes.map(({ name, url }) => ({ id: name, url })), tables };
  }

  async start(): Promise<void> {
    for (const node of this.nodes) await node.start(this.routing);
  }

  /** What a ranker reads. @param processor its thread */
  source(processor: Processor = this.#world.processor): RoutingSource {
    return {
      read: async () => {
        await new Promise((done) => setTimeout(done, 1));
        return this.routing;
      },
      watch: (onChange) => {
        const changed = (routing: RoutingTable): void =>
          void this.#world.at(
            this.#world.now,
            () => this.#onChange.has(changed) && onChange(routing),
            processor,
          );
        this.#onChange.add(changed);
        return () => this.#onChange.delete(changed);
      },
    };
  }

  /** The routing table changes now. */
  publish(routing: RoutingTable): void {
    this.routing = routing;
    this.#published = this.routings.length - 1;
    for (const changed of this.#onChange) changed(routing);
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }
}
