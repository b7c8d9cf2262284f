// A process that attacks memory nodes in all ways that occupy places: slow headers, half frames, unfinished bodies,
// idle connections, peers that do not read, floods of Upgrades, large JSON, garbage. It ends with its parent process.
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FRAME_BYTES, FRAME_MAGIC, HEADER_BYTES, SUBREQUEST_MAGIC } from '../../src/wire/layout.ts';
import { frameType } from '../../src/wire/media-type.ts';

const [ports, token] = [process.argv[2].split(',').map(Number), process.argv[3] ?? ''];
const authorization = token === '' ? '' : `Authorization: Bearer ${token}\r\n`;
const post = (type: string, bytes: number, who = authorization): string =>
  `POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\n${who}Content-Type: ${type}\r\nContent-Length: ${bytes}\r\n\r\n`;
const upgrade = `GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n${authorization}Connection: Upgrade\r\nUpgrade: flexemr/1\r\n\r\n`;

function halfFrame(): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(SUBREQUEST_MAGIC, FRAME_MAGIC);
  header.writeUInt32LE(200_000, FRAME_BYTES);
  return header;
}

const features = Array.from({ length: 3_000 }, (_, i) => [
  `f${i}`,
  { table: 'sum', keys: [1], lengths: [1] },
]);
const json = JSON.stringify({ bags: Object.fromEntries(features) });

/** The attacks. A connection repeats one of them. */
const attacks: readonly ((socket: Socket) => Promise<unknown> | unknown)[] = [
  // Slow headers.
  async (socket) => {
    for (const letter of 'GET /v1/tables HTTP/1.1\r\nX: yyyyyyyyyyyyyyyyyyyyyy') {
      socket.write(letter);
      await sleep(200);
    }
  },
  // Only headers, half frames and unfinished bodies.
  (socket) => socket.write(post(frameType, 100_000)),
  (socket) => socket.write(Buffer.concat([Buffer.from(upgrade), halfFrame()])),
  (socket) => socket.write(post('application/json', 8_000_000) + 'x'.repeat(500_000)),
  // Frames that trickle.
  async (socket) => {
    socket.write(post(frameType, 50_000));
    for (let i = 0; i < 50; i++, await sleep(100)) socket.write('\0\0\0\0');
  },
  // Idle connections, without and with a request before.
  () => {},
  (socket) => socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  // Answers that are not read.
  (socket) => {
    socket.pause();
    for (let i = 0; i < 20; i++) socket.write('GET /v1/tables HTTP/1.1\r\nHost: localhost\r\n\r\n');
  },
  // Upgrades without frames after them.
  (socket) => socket.write(upgrade),
  // JSON at its limits, and garbage.
  (socket) => socket.write(post('application/json', json.length) + json),
  (socket) => socket.write(randomBytes(5_000)),
];

async function besiege(attack: number): Promise<void> {
  for (let round = attack; ; round++) {
    const socket = connect(ports[round % ports.length], '127.0.0.1');
    socket.on('error', () => {});
    if (attack !== 7) socket.resume();
    const closed = new Promise((resolve) => socket.on('close', resolve));
    await Promise.race([attacks[attack](socket), closed]);
    await Promise.race([closed, sleep(1_000 + Math.random() * 2_000)]);
    socket.destroy();
  }
}

const connectionsEach = Number(process.argv[4] ?? 40);
for (let attack = 0; attack < attacks.length; attack++)
  // Attack 9 causes much work. Only a few connections use it, because the attacks should occupy places, not processors.
  for (let i = 0; i < (attack === 9 ? 2 : connectionsEach); i++)
    void sleep(Math.random() * 1_000).then(() => besiege(attack));
process.on('disconnect', () => process.exit());
