// The lower limit of the costs: a client and a server in C, each in its own process, with one connection.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { RecordableHistogram } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { buildEpollEcho, compilerVersion } from '../../native/build.ts';
import { Absent } from '../../usage.ts';
import { cpuUsOf } from '../cpu.ts';
import type { Leftovers } from '../leftovers.ts';
import type { Racer, Round } from '../race.ts';
import type { Size } from './transport-under-test.ts';

/** One of the two processes. It reads and writes lines. */
class Program {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(leftovers: Leftovers, path: string, args: string[]) {
    this.child = leftovers.child(spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('epoll_echo ended early');
    return value;
  }
}

export class EpollEcho {
  readonly #leftovers: Leftovers;
  readonly #server: Program;
  readonly #client: Program;

  private constructor(leftovers: Leftovers, server: Program, client: Program) {
    this.#leftovers = leftovers;
    this.#server = server;
    this.#client = client;
  }

  /** @throws Absent if there is no g++ */
  static async start(leftovers: Leftovers): Promise<EpollEcho> {
    const compiler = compilerVersion();
    if (compiler === undefined)
      throw new Absent('g++ is not installed, but the C echo needs it: apt-get install g++');
    const path = buildEpollEcho(compiler);
    if (path === undefined) throw new Error('g++ cannot build epoll_echo.cc');
    const server = new Program(leftovers, path, ['server']);
    return new EpollEcho(leftovers, server, new Program(leftovers, path, ['client', await server.line()]));
  }

  /** A racer whose rounds have exchanges of one size. */
  racer(size: Size, inFlight: number): Racer {
    return { name: 'C epoll', round: (ms, latencies) => this.#round(size, inFlight, ms, latencies) };
  }

  async #round(
    { requestBytes, replyBytes }: Size,
    inFlight: number,
    ms: number,
    latencies: RecordableHistogram,
  ): Promise<Round> {
    const pids = [this.#server.child.pid ?? 0];
    const serverUs = cpuUsOf(pids);
    this.#client.child.stdin.write(`${requestBytes} ${replyBytes} ${inFlight} ${ms}\n`);
    const [items, ns, clientUs, ...counts] = (await this.#client.line()).split(' ');
    for (const pair of counts) {
      const [us, count] = pair.split(':').map(Number);
      for (let i = 0; i < count; i++) latencies.record(Math.max(1, us));
    }
    return {
      items: Number(items),
      ms: Number(ns) / 1e6,
      clientUs: Number(clientUs),
      serverUs: cpuUsOf(pids) - serverUs,
      bytesIn: Number(items) * replyBytes,
      bytesOut: Number(items) * requestBytes,
    };
  }

  async close(): Promise<void> {
    await this.#leftovers.end(this.#client.child);
    await this.#leftovers.end(this.#server.child);
  }
}
