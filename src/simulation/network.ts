// A network in place of `node:net`: connections between the ranker and the machines of memory nodes.
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import type { Dice } from './dice.ts';
import { Pipe, type Weather } from './pipe.ts';
import { type OnRead, SimulatedSocket, socketError } from './socket.ts';
import type { World } from './world.ts';

/** A connection, from the ranker to a machine. */
interface Link {
  readonly number: number;
  readonly client: SimulatedSocket;
  readonly server: SimulatedSocket;
  readonly toServer: Pipe;
  readonly toClient: Pipe;
}

interface Listening {
  readonly server: net.Server;
  readonly machine: Machine;
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

  constructor(name: string) {
    this.name = name;
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
    for (const { toServer, toClient } of [...this.links]) {
      toServer.release();
      toClient.release();
    }
    for (const connect of this.waiting.splice(0)) connect();
  }

  /** Breaks connections in the middle of whatever they carry. */
  break(dice: Dice, share: number): void {
    for (const { client, server, toServer, toClient } of [...this.links]) {
      if (!dice.chance(share)) continue;
      toServer.cut();
      toClient.cut();
      setTimeout(() => server.receiveReset(), dice.between(0, 20));
      setTimeout(() => client.receiveReset(), dice.between(0, 20));
    }
  }
}

export class Network implements Disposable {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #weather: Weather;
  readonly #listening = new Map<number, Listening>();
  readonly #machines = new Map<number, Machine>();
  readonly #real = { connect: net.connect, ...pick(net.Server.prototype) };
  #links = 0;

  constructor(world: World, weather: Weather) {
    this.#world = world;
    this.#dice = world.dice.fork();
    this.#weather = weather;
    const network = this;
    net.connect = ((options: { port: number; onread?: OnRead }) =>
      this.connect(options)) as unknown as typeof net.connect;
    Object.assign(net.Server.prototype, {
      listen(this: net.Server, { port }: { port: number }, then: () => void) {
        network.#listen(this, port, then);
        return this;
      },
      address(this: net.Server) {
        return { port: network.#portOf(this) };
      },
      close(this: net.Server, then?: () => void) {
        network.#close(this, then);
        return this;
      },
    });
    syncBuiltinESMExports();
  }

  /** Says which machine a port belongs to. */
  place(port: number, machine: Machine): void {
    this.#machines.set(port, machine);
  }

  #listen(server: net.Server, port: number, then: () => void): void {
    const machine = this.#machines.get(port);
    if (machine === undefined || this.#listening.has(port)) throw new Error(`port ${port} is not free`);
    this.#listening.set(port, { server, machine, sockets: new Set(), onClosed: undefined });
    process.nextTick(then);
  }

  #portOf(server: net.Server): number {
    return [...this.#listening].find(([, listening]) => listening.server === server)?.[0] ?? 0;
  }

  #close(server: net.Server, then?: () => void): void {
    const port = this.#portOf(server);
    const listening = this.#listening.get(port);
    this.#listening.delete(port);
    if (listening === undefined || listening.sockets.size === 0) process.nextTick(() => then?.());
    else listening.onClosed = then;
  }

  /** A process has ended: its connections end, and its ports are free. */
  crash(port: number): void {
    const listening = this.#listening.get(port);
    this.#listening.delete(port);
    for (const socket of listening?.sockets ?? []) socket.destroy();
  }

  connect({ port, onread }: { port: number; onread?: OnRead | undefined }): SimulatedSocket {
    const client = new SimulatedSocket(port, true, onread);
    const machine = this.#machines.get(port);
    const { delayMsMin, delayMsMax } = this.#weather;
    const reach = (): void => {
      if (client.destroyed) return;
      if (machine?.held) machine.waiting.push(reach);
      else this.#open(client, port);
    };
    setTimeout(reach, this.#dice.between(delayMsMin, delayMsMax));
    return client;
  }

  #open(client: SimulatedSocket, port: number): void {
    const listening = this.#listening.get(port);
    if (listening === undefined) {
      client.destroy(socketError('connect', 'ECONNREFUSED'));
      return;
    }
    const { machine, sockets } = listening;
    const number = ++this.#links;
    const server = new SimulatedSocket(number, false);
    const toServer: Pipe = new Pipe(this.#dice.fork(), this.#weather, server, () => toClient.reset());
    const toClient: Pipe = new Pipe(this.#dice.fork(), this.#weather, client, () => toServer.reset());
    const link = { number, client, server, toServer, toClient };
    machine.links.add(link);
    sockets.add(server);
    this.#world.history.add(`connection ${number} to ${machine.name}, port ${port}`);
    server.on('close', () => {
      sockets.delete(server);
      this.#world.history.add(`connection ${number} closed by ${machine.name}, ${server.bytesRead} bytes`);
      if (sockets.size === 0) listening.onClosed?.();
      if (client.destroyed) machine.links.delete(link);
    });
    client.on('close', () => {
      this.#world.history.add(`connection ${number} closed by the ranker, ${client.bytesRead} bytes`);
      if (server.destroyed) machine.links.delete(link);
    });
    server.open(toClient, toServer);
    listening.server.emit('connection', server);
    client.open(toServer, toClient);
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
