// A network in place of `node:net`: connections between rankers and the machines of memory nodes.
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import type { Dice } from './dice.ts';
import { delayOf, Pipe, type Weather } from './pipe.ts';
import type { Processor } from './processor.ts';
import { type OnRead, SimulatedSocket, socketError } from './socket.ts';
import type { World } from './world.ts';

/** A connection, from a ranker to a machine. */
interface Link {
  /** The thread that has connected, and the one that serves. */
  readonly from: Processor;
  readonly to: Processor;
  readonly client: SimulatedSocket;
  readonly server: SimulatedSocket;
  readonly toServer: Pipe;
  readonly toClient: Pipe;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

interface Listening {
  readonly server: net.Server;
  readonly machine: Machine;
  /** The thread that listens. */
  readonly processor: Processor;
  readonly sockets: Set<SimulatedSocket>;
  onClosed: (() => void) | undefined;
}

/** A machine that a memory node runs on. */
export class Machine {
  readonly name: string;
  readonly links: Set<Link> = new Set();
  /** Nothing comes from it or goes to it. */
  held = false;
  /** Connections that were asked for meanwhile. */
  readonly waiting: (() => void)[] = [];
  /** Threads that do not reach it any more, and that it does not reach. */
  readonly #apart = new Set<Processor>();

  constructor(name: string) {
    this.name = name;
  }

  /** Nothing comes from it or goes to it, as far as one thread is concerned, for ever. */
  part(from: Processor): void {
    this.#apart.add(from);
    for (const link of this.links) {
      if (link.from !== from) continue;
      link.toServer.hold();
      link.toClient.hold();
    }
  }

  isApart(from: Processor): boolean {
    return this.#apart.has(from);
  }

  hold(): void {
    this.held = true;
    for (const { toServer, toClient } of this.links) {
      toServer.hold();
      toClient.hold();
    }
  }

  release(): void {
    this.held = false;
    for (const { from, toServer, toClient } of [...this.links]) {
      if (this.#apart.has(from)) continue;
      toServer.release();
      toClient.release();
    }
    for (const connect of this.waiting.splice(0)) connect();
  }

  /** Breaks connections in the middle of whatever they carry. @param credits only those that carry credits */
  break(world: World, dice: Dice, share: number, credits = false): void {
    for (const { from, to, client, server, toServer, toClient } of [...this.links]) {
      if (!dice.chance(share) || (credits && !carriesCredits.test(client.head ?? ''))) continue;
      toServer.cut();
      toClient.cut();
      world.at(world.now + dice.between(0, 20), () => server.receiveReset(), to);
      world.at(world.now + dice.between(0, 20), () => client.receiveReset(), from);
    }
  }
}

/** The name of a stream, in the request for the connection of its credits. */
const carriesCredits = /^flexemr-credits: [0-9a-f]{32}\r$/m;

export class Network implements Disposable {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #weather: Weather;
  readonly #listening = new Map<string, Listening>();
  readonly #machines = new Map<string, Machine>();
  readonly #addresses = new WeakMap<net.Server, Address>();
  readonly #real = { connect: net.connect, ...pick(net.Server.prototype) };
  #links = 0;

  constructor(world: World, weather: Weather) {
    this.#world = world;
    this.#dice = world.dice.fork();
    this.#weather = weather;
    const network = this;
    net.connect = ((options: Address & { onread?: OnRead }) =>
      this.connect(options)) as unknown as typeof net.connect;
    Object.assign(net.Server.prototype, {
      listen(this: net.Server, address: Address, then: () => void) {
        network.#listen(this, address, then);
        return this;
      },
      address(this: net.Server) {
        return network.#addresses.get(this);
      },
      close(this: net.Server, then?: () => void) {
        network.#close(this, then);
        return this;
      },
    });
    syncBuiltinESMExports();
  }

  /** Says which machine an address belongs to. */
  place(address: Address, machine: Machine): void {
    this.#machines.set(nameOf(address), machine);
  }

  #listen(server: net.Server, address: Address, then: () => void): void {
    const name = nameOf(address);
    const machine = this.#machines.get(name);
    if (machine === undefined || this.#listening.has(name)) throw new Error(`${name} is not free`);
    const { processor } = this.#world;
    this.#listening.set(name, { server, machine, processor, sockets: new Set(), onClosed: undefined });
    this.#addresses.set(server, address);
    process.nextTick(then);
  }

  #close(server: net.Server, then?: () => void): void {
    const address = this.#addresses.get(server);
    const listening = address && this.#listening.get(nameOf(address));
    if (listening?.server !== server || listening.sockets.size === 0) process.nextTick(() => then?.());
    else listening.onClosed = then;
    if (address && listening?.server === server) this.#listening.delete(nameOf(address));
  }

  /** A thread that has connected has ended: machines hear that its connections are lost. */
  end(thread: Processor): void {
    const world = this.#world;
    for (const { links } of this.#machines.values())
      for (const link of [...links]) {
        const { from, to, server, toServer, toClient } = link;
        if (from !== thread) continue;
        toServer.cut();
        toClient.cut();
        world.at(world.now + delayOf(this.#dice, this.#weather), () => server.receiveReset(), to);
      }
  }

  /** A process has ended: its connections end, and its address is free. */
  crash(address: Address): void {
    const listening = this.#listening.get(nameOf(address));
    this.#listening.delete(nameOf(address));
    for (const socket of listening?.sockets ?? []) socket.destroy();
  }

  connect({ onread, ...address }: Address & { onread?: OnRead | undefined }): SimulatedSocket {
    const client = new SimulatedSocket(address.port, true, onread);
    const world = this.#world;
    const from = world.processor;
    const machine = this.#machines.get(nameOf(address));
    const reach = (): void => {
      if (client.destroyed || from.dead || machine?.isApart(from)) return;
      if (machine?.held) machine.waiting.push(reach);
      else this.#reach(client, address, from);
    };
    world.at(world.now + delayOf(this.#dice, this.#weather), reach, world.outside);
    return client;
  }

  /** A connection arrives where it goes to. */
  #reach(client: SimulatedSocket, address: Address, from: Processor): void {
    const world = this.#world;
    const listening = this.#listening.get(nameOf(address));
    if (listening === undefined)
      world.at(world.now, () => client.destroy(socketError('connect', 'ECONNREFUSED')), from);
    else world.at(world.now, () => this.#accept(client, listening, address, from), listening.processor);
  }

  #accept(client: SimulatedSocket, listening: Listening, address: Address, from: Processor): void {
    // The process may have crashed before it took the connection.
    if (this.#listening.get(nameOf(address)) !== listening) {
      this.#reach(client, address, from);
      return;
    }
    if (from.dead) return;
    const { port } = address;
    const { machine, sockets, processor: to } = listening;
    const [world, weather, number] = [this.#world, this.#weather, ++this.#links];
    const server = new SimulatedSocket(number, false);
    const [out, back] = [this.#dice.fork(), this.#dice.fork()];
    const refuseOut = (): void => toClient.reset();
    const refuseBack = (): void => toServer.reset();
    const toServer: Pipe = new Pipe({ world, weather, dice: out, from, to }, server, refuseOut);
    const toClient: Pipe = new Pipe({ world, weather, dice: back, from: to, to: from }, client, refuseBack);
    const link = { from, to, client, server, toServer, toClient };
    machine.links.add(link);
    sockets.add(server);
    world.history.add(`connection ${number} to ${machine.name}, port ${port}`);
    server.on('close', () => {
      sockets.delete(server);
      world.history.add(`connection ${number} closed by ${machine.name}, ${server.bytesRead} bytes`);
      if (sockets.size === 0) listening.onClosed?.();
      if (client.destroyed || from.dead) machine.links.delete(link);
    });
    client.on('close', () => {
      world.history.add(`connection ${number} closed by ${from.name}, ${client.bytesRead} bytes`);
      if (server.destroyed) machine.links.delete(link);
    });
    server.open(toClient, toServer);
    listening.server.emit('connection', server);
    const connected = (): void => {
      if (!client.destroyed) client.open(toServer, toClient);
      else toServer.reset();
    };
    world.at(world.now, connected, from);
  }

  [Symbol.dispose](): void {
    const { connect, ...ofServers } = this.#real;
    net.connect = connect;
    Object.assign(net.Server.prototype, ofServers);
    syncBuiltinESMExports();
  }
}

function pick({ listen, address, close }: net.Server): Pick<net.Server, 'listen' | 'address' | 'close'> {
  return { listen, address, close };
}
