// Stores rows in Redis, one string per row with a short key.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SafetensorsFile } from '../../src/index.ts';
import type { RedisServer } from './redis-server.ts';
import type { TableShape } from './workload.ts';

/** Approximate maximum length of a command. */
const commandBytes = 1 << 18;
const keyCharsMax = 8;

/**
 * One character for the table, then the row in base 36. It is an ASCII string, because both clients send strings faster
 * than buffers.
 */
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

/** Encodes the command MSET key row key row … */
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

/** Counts the replies of Redis. */
class Replies {
  expected = 0;
  #bytes = 0;
  #problem: Error | undefined;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#bytes += chunk.length;
      if (chunk.includes('-')) this.#problem ??= new Error(`Redis refuses a command: ${chunk.toString()}`);
    });
    socket.on('error', (error) => {
      this.#problem ??= error;
    });
  }

  /** Waits for all replies. @throws Error if Redis has refused a command or the connection has failed */
  async all(): Promise<void> {
    while (!this.#problem && this.#bytes < this.expected * ok.length) await once(this.#socket, 'data');
    if (this.#problem) throw this.#problem;
  }
}
