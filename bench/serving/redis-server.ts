import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Absent } from '../usage.ts';
import type { Leftovers } from './leftovers.ts';

const host = '127.0.0.1';
const startMsMax = 10_000;

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** Starts Debian's Redis with default options, except that persistence is off. @throws Absent */
export async function startRedis(leftovers: Leftovers, directory: string): Promise<RedisServer> {
  const port = await freePort();
  const options = { port, bind: host, save: '', appendonly: 'no', daemonize: 'no', dir: directory };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = leftovers.child(spawn('redis-server', args, { stdio: ['ignore', 'ignore', 'inherit'] }));
  const failed = new Promise<never>((_, reject) => {
    child.once('error', () =>
      reject(new Absent('redis-server is not on PATH: apt-get install redis-server')),
    );
    child.once('exit', (code) => reject(new Error(`redis-server ended with exit code ${code}`)));
  });
  // The server also ends later. Then nobody awaits this promise, and its rejection must not be unhandled.
  failed.catch(() => {});
  await Promise.race([failed, listening(port)]);
  return { host, port, child };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(port: number): Promise<void> {
  for (const end = performance.now() + startMsMax; performance.now() < end; await delay(20)) {
    const socket = connect(port, host);
    try {
      await once(socket, 'connect');
      return;
    } catch {
      // It does not listen yet.
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`redis-server still does not listen after ${startMsMax} ms`);
}
