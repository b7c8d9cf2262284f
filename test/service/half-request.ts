import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';

/** A request whose body is half there, which the service has begun to read. */
export class HalfRequest {
  readonly #socket: Socket;
  readonly #rest: string;
  readonly answer: Promise<string>;

  static async begin(url: string, body: string): Promise<HalfRequest> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const head = ['POST /v1/rank HTTP/1.1', `host: ${hostname}`, 'content-type: application/json'];
    const length = [`content-length: ${Buffer.byteLength(body)}`, 'expect: 100-continue'];
    socket.write([...head, ...length, '', ''].join('\r\n'));
    const [said] = await once(socket, 'data');
    expect(String(said)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    const half = Math.floor(body.length / 2);
    socket.write(body.slice(0, half));
    return new HalfRequest(socket, body.slice(half));
  }

  private constructor(socket: Socket, rest: string) {
    this.#socket = socket;
    this.#rest = rest;
    this.answer = text(socket);
  }

  complete(): void {
    this.#socket.write(this.#rest);
  }
}
