// A network with a delay between this process and memory nodes on this machine: a process that passes bytes on.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { RoutingTable } from '../../src/index.ts';
import type { Leftovers } from '../serving/leftovers.ts';

const [nearHost, farHost] = ['127.0.0.2', '127.0.0.1'];

export interface DelayedNetwork extends AsyncDisposable {
  /** Its addresses are on the other side of the network. */
  readonly routing: RoutingTable;
  /** Milliseconds that bytes are under way in one direction, as measured: the delay, and what the process adds to it. */
  measure(): Promise<number[]>;
}

export async function delayedNetwork(
  leftovers: Leftovers,
  routing: RoutingTable,
  ms: number,
): Promise<DelayedNetwork> {
  const program = join(leftovers.directory(), 'delay');
  execFileSync('g++', ['-O2', '-std=c++17', '-o', program, join(import.meta.dirname, 'delay.cc')]);
  const echo = createServer({ noDelay: true }, (socket) => socket.pipe(socket)).listen(0, farHost);
  await once(echo, 'listening');
  const echoPort = (echo.address() as AddressInfo).port;
  const ports = routing.nodes.map(({ url = '' }) => new URL(url).port);
  const args = [String(ms * 1000), nearHost, farHost, ...ports, String(echoPort)];
  const child: ChildProcess = leftovers.child(spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the process that delays bytes has ended with exit code ${code}`);
  });
  ended.catch(() => {});
  if (child.stdout) await Promise.race([once(child.stdout, 'data'), ended]);
  const nodes = routing.nodes.map((node, i) => ({ ...node, url: `http://${nearHost}:${ports[i]}` }));
  return {
    routing: { ...routing, nodes },
    measure: async () => {
      const direct = await exchange(farHost, echoPort);
      const own = direct[direct.length >>> 1];
      return (await exchange(nearHost, echoPort)).map((both) => Math.max(0, (both - own) / 2));
    },
    [Symbol.asyncDispose]: async () => {
      await leftovers.end(child);
      echo.close();
    },
  };
}

const exchanges = 400;

/** Milliseconds of exchanges of a few bytes. */
async function exchange(host: string, port: number): Promise<number[]> {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, 'connect');
  const took: number[] = [];
  for (let i = 0; i < exchanges; i++) {
    const begun = performance.now();
    socket.write('bytes');
    await once(socket, 'data');
    took.push(performance.now() - begun);
  }
  socket.destroy();
  return took.sort((a, b) => a - b);
}
