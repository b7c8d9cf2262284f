// Rows in Redis: a string each, under a short key.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SafetensorsFile } from '../../src/index.ts';
import type { RedisServer } from './redis-server.ts';
import type { TableShape } from './workload.ts';

/** A command is that long at most, about. */
const commandBytes = 1 << 18;
const keyCharsMax = 8;

/** ASCII, for both clients send strings faster than buffers: one character for the table, the row in base 36. */
export function redisKey(table: number, row: number): string {
  return String.fromCharCode(65 + table) + row.toString(36);
}

/** Stores every row of the file's tables by MSET. */
export async function loadRows(
  { host, port }: RedisServer,
  path: string,
  tables: readonly TableShape[],
): Promise<void> {
  await using file = await SafetensorsFile.open(path);
  const stored = JSON.parse(file.metadata.tables) as { tensor: string }[];
  const socket = connect({ host, port });
  const replies = new Replies(socket);
  await once(socket, 'connect');
  for (const [i, { rows, dim }] of tables.entries()) {
    const step = Math.max(1, Math.floor(commandBytes / (dim * 4)));
    for (let first = 0; first < rows; first += step) {
      const piece = new Uint8Array(Math.min(step, rows - first) * dim * 4);
      await file.readInto(stored[i].tensor, first * dim * 4, piece);
      replies.expected++;
      if (!socket.write(mset(i, first, piece, dim * 4))) await once(socket, 'drain');
    }
  }
  await replies.all();
  socket.destroy();
}

/** MSET key row key row … */
function mset(table: number, first: number, rows: Uint8Array, rowBytes: number): Buffer {
  const count = rows.length / rowBytes;
  const overhead = 3 * 16 + keyCharsMax;
  const command = Buffer.allocUnsafe(64 + count * (rowBytes + overhead));
  let at = command.write(`*${1 + 2 * count}\r\n$4\r\nMSET\r\n`, 'latin1');
  for (let i = 0; i < count; i++) {
    const key = redisKey(table, first + i);
    at += command.write(`$${key.length}\r\n${key}\r\n$${rowBytes}\r\n`, at, 'latin1');
    command.set(rows.subarray(i * rowBytes, (i + 1) * rowBytes), at);
    at += rowBytes;
    at += command.write('\r\n', at, 'latin1');
  }
  return command.subarray(0, at);
}

const ok = '+OK\r\n';

/** Counts what Redis says to the commands. */
class Replies {
  expected = 0;
  #bytes = 0;
  #problem: Error | undefined;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#bytes += chunk.length;
      if (chunk.includes('-')) this.#problem ??= new Error(`Redis says ${chunk.toString()}`);
    });
    socket.on('error', (error) => {
      this.#problem ??= error;
    });
  }

  /** @throws what Redis refused */
  async all(): Promise<void> {
    while (!this.#problem && this.#bytes < this.expected * ok.length) await once(this.#socket, 'data');
    if (this.#problem) throw this.#problem;
  }
}
