// An HTTP server of files in memory, with faults on purpose. It answers range requests as RFC 9110 says, except where a
// fault says otherwise.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong with one answer. `after` is a number of bytes of its body. */
export type Fault =
  | { readonly kind: 'break' | 'stall' | 'short'; readonly after: number }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: 'redirect'; readonly to: string }
  | {
      readonly kind:
        | 'whole'
        | 'wrong range'
        | 'no length'
        | 'other length'
        | 'changed'
        | 'compressed'
        | 'long'
        | 'no version';
    };

/** The version of a file that has changed. */
const changedTag = '"2"';

/** A request that the server has answered. */
export interface Asked {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  readonly bytes: number;
}

export class FaultyServer implements AsyncDisposable {
  readonly files: Map<string, Uint8Array> = new Map();
  readonly asked: Asked[] = [];
  /** The fault of the `n`-th request. */
  faultOf: (n: number, path: string) => Fault | undefined = () => undefined;
  /** The headers that tell versions of a file apart. */
  version: Record<string, string> = { etag: '"1"' };
  /** Called before each answer, which waits for it. */
  onRequest: (response: ServerResponse) => Promise<void> = async () => {};
  /** Faults that have happened. */
  readonly happened: Fault[] = [];
  #requests = 0;
  /** Whether anybody has been told the version of a file. */
  #told = false;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(files: Readonly<Record<string, Uint8Array>> = {}): Promise<FaultyServer> {
    const server = new FaultyServer();
    for (const [path, bytes] of Object.entries(files)) server.files.set(path, bytes);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Bytes of all bodies. */
  get bytes(): number {
    return this.asked.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Forgets the requests so far, all of which must have been answered. */
  forget(): void {
    this.asked.length = 0;
    this.happened.length = 0;
    this.#requests = 0;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.onRequest(response);
    const { pathname } = new URL(request.url ?? '/', this.url);
    const file = this.files.get(pathname);
    const fault = this.faultOf(this.#requests++, request.url ?? '');
    // A file that changes before anybody knows its version, or that has changed already, is as good as any.
    if (fault && (fault.kind !== 'changed' || (this.#told && this.version.etag !== changedTag)))
      this.happened.push(fault);
    const { range, authorization } = request.headers;
    const log = (bytes: number): void => {
      this.asked.push({ path: request.url ?? '', range, authorization, bytes });
    };
    const end = (status: number, headers: Record<string, string> = {}): void => {
      log(0);
      response.writeHead(status, headers).end();
    };
    if (fault?.kind === 'status') end(fault.status, fault.headers);
    else if (fault?.kind === 'redirect') end(302, { location: fault.to });
    else if (file === undefined) end(404);
    else this.#answerFile(request, response, file, fault, end, log);
  }

  #answerFile(
    { headers }: IncomingMessage,
    response: ServerResponse,
    file: Uint8Array,
    fault: Fault | undefined,
    end: (status: number, headers?: Record<string, string>) => void,
    log: (bytes: number) => void,
  ): void {
    if (fault?.kind === 'changed') this.version = { etag: changedTag };
    const condition = headers['if-match'];
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    const begin = Number(first);
    if (condition !== undefined && condition !== this.version.etag) end(412);
    else if (first === undefined || fault?.kind === 'whole') {
      log(file.length);
      this.#told = true;
      response.writeHead(200, { ...this.version, 'content-length': file.length }).end(file);
    } else if (begin >= file.length) end(416, { 'content-range': `bytes */${file.length}` });
    else {
      const body = file.subarray(begin, Math.min(Number(last) + 1, file.length));
      log(body.length);
      this.#send(response, file, begin, body, fault);
    }
  }

  #send(
    response: ServerResponse,
    file: Uint8Array,
    begin: number,
    body: Uint8Array,
    fault: Fault | undefined,
  ): void {
    const kind = fault?.kind;
    const from = kind === 'wrong range' ? begin + 1 : begin;
    const size = kind === 'no length' ? '*' : String(file.length + (kind === 'other length' ? 1 : 0));
    this.#told = true;
    response.writeHead(206, {
      ...(kind !== 'no version' && this.version),
      'content-range': `bytes ${from}-${from + body.length - 1}/${size}`,
      ...(kind === 'compressed' && { 'content-encoding': 'gzip' }),
      ...(kind !== 'short' && kind !== 'long' && { 'content-length': body.length }),
    });
    if (kind === 'long') response.end(Buffer.concat([body, Uint8Array.of(0)]));
    else if (fault?.kind === 'short') response.end(body.subarray(0, fault.after));
    else if (fault?.kind === 'break' || fault?.kind === 'stall') {
      // Without the callback, the bytes might still be here when the connection is cut.
      response.write(body.subarray(0, fault.after), () => {
        if (fault.kind === 'break') response.socket?.destroy();
      });
    } else response.end(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
