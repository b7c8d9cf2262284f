import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { run } from './program.ts';

/** An answer of nginx, as its access log says. */
export interface Answered {
  readonly uri: string;
  readonly query: string;
  readonly status: number;
  /** Bytes of the body. */
  readonly bytes: number;
}

/** A server of the files in a new folder, which counts the bytes that it sends. */
export class Nginx implements AsyncDisposable {
  /** The folder whose files are served. */
  readonly root: string;
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(root: string, url: string, process: ChildProcess) {
    this.root = root;
    this.url = url;
    this.#process = process;
  }

  /** Files in the folder `private` are for clients with the token. @throws Error that names the Debian package */
  static async start(token: string): Promise<Nginx> {
    await run('nginx', ['-v']);
    const root = await mkdtemp(join(tmpdir(), 'flexemr-nginx-'));
    const port = await freePort();
    const config = join(root, 'nginx.conf');
    await writeFile(config, configOf(root, port, token));
    const child = spawn('nginx', ['-p', root, '-e', join(root, 'error.log'), '-c', config], {
      stdio: 'inherit',
    });
    const server = new Nginx(root, `http://127.0.0.1:${port}`, child);
    try {
      await vi.waitFor(() => fetch(server.url), { timeout: 30_000 });
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Waits until the log has this number of answers for a query, and returns them. */
  async answered(query: string, requests: number): Promise<Answered[]> {
    const read = async (): Promise<Answered[]> => {
      const lines = (await readFile(join(this.root, 'access.log'), 'utf8')).trim().split('\n');
      return lines.map((line) => JSON.parse(line) as Answered).filter((one) => one.query === query);
    };
    await expect.poll(async () => (await read()).length).toBeGreaterThanOrEqual(requests);
    return await read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
    await rm(this.root, { recursive: true });
  }
}

/** It compresses whatever clients accept compressed. */
function configOf(root: string, port: number, token: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${root}/${name};`,
  );
  return `
    daemon off;
    worker_processes 1;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    pid ${root}/nginx.pid;
    error_log ${root}/error.log;
    events {}
    http {
      ${temporary.join('\n')}
      log_format bytes escape=json '{"uri":"$uri","query":"$args","status":$status,"bytes":$body_bytes_sent}';
      access_log ${root}/access.log bytes;
      gzip on;
      gzip_types *;
      server {
        listen 127.0.0.1:${port};
        root ${root};
        location /private/ { if ($http_authorization != "Bearer ${token}") { return 401; } }
      }
    }`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
