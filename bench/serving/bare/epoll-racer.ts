// The lower limit of the costs: a client and a server in C, each in its own process, with one connection.
import { spawn } from 'node:child_process';
import type { RecordableHistogram } from 'node:perf_hooks';
import { LineProgram } from '../../line-program.ts';
import { buildEpollEcho, compilerVersion } from '../../native/build.ts';
import { Absent } from '../../usage.ts';
import { cpuUsOf } from '../cpu.ts';
import type { Leftovers } from '../leftovers.ts';
import type { Racer, Round } from '../race.ts';
import type { Size } from './transport-under-test.ts';

export class EpollEcho {
  readonly #leftovers: Leftovers;
  readonly #server: LineProgram;
  readonly #client: LineProgram;

  private constructor(leftovers: Leftovers, server: LineProgram, client: LineProgram) {
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
    const started = (...args: string[]): LineProgram =>
      new LineProgram(leftovers.child(spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'] })));
    const server = started('server');
    return new EpollEcho(leftovers, server, started('client', await server.line()));
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
    const answer = await this.#client.ask(`${requestBytes} ${replyBytes} ${inFlight} ${ms}`);
    const [items, ns, clientUs, ...counts] = answer.split(' ');
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
