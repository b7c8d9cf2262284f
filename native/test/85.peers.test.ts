// Programs of other projects at the other end of a connection. The bytes that they send, write and read are checked.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Gid, sendFlags, sendOpcode } from 'ibverbs-node';
import { describe, expect, test } from 'vitest';
import { connect, firstDevice, onKernel, packetNumber, Rig, type Send, take, usableGid } from './rig.ts';

const port = 18_515;
const messageBytes = 4096;
const rounds = 100;

/** Whether the programs can run here. They only know the devices of this machine, not those of a stand-in. */
function peersHere(): boolean {
  if (firstDevice() === undefined || !onKernel) return false;
  try {
    for (const program of ['ibv_rc_pingpong', 'ib_read_bw']) execFileSync('which', [program]);
    return true;
  } catch {
    if (process.env.CI) throw new Error('apt-get install ibverbs-utils perftest');
    console.warn('ibverbs-node: tests of peers are skipped (apt-get install ibverbs-utils perftest)');
    return false;
  }
}

/** Connects to `port`; retries until a process listens there. */
async function reach(): Promise<Socket> {
  for (let triesLeft = 300; ; triesLeft--) {
    const socket = connectTo(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (triesLeft === 0) throw error;
      await sleep(100);
    }
  }
}

/** Reads the next `bytes` bytes. */
async function read(socket: Socket, bytes: number): Promise<Buffer> {
  for (;;) {
    const chunk: Buffer | null = socket.read(bytes);
    if (chunk !== null) return chunk;
    await once(socket, 'readable');
  }
}

interface Ended {
  readonly output: string;
  readonly exitCode: number;
}

function outcome(program: ChildProcess): Promise<Ended> {
  let output = '';
  for (const stream of [program.stdout, program.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  return once(program, 'close').then(([exitCode]) => ({ output, exitCode }));
}

const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, '0');

/** Size of the address that ibv_rc_pingpong sends, and its message after connecting: strings with a zero at the end. */
const pingPongBytes = 52;
const done = Buffer.from('done\0');

function pingPongAddress(queuePair: number, gid: Gid): Buffer {
  const text = ['0000', hex(queuePair, 6), hex(packetNumber, 6), Buffer.from(gid.raw).toString('hex')];
  return Buffer.from(`${text.join(':')}\0`);
}

/** Reads the queue pair and the packet number from an address. */
function readPingPong(message: Buffer): readonly [queuePair: number, packetNumber: number] {
  const [, queuePair, first] = message.toString('latin1').split(':');
  return [Number.parseInt(queuePair, 16), Number.parseInt(first, 16)];
}

/** Size of the address that perftest sends: LID, reads in flight, pair, packet, key, address, GID, an unused field. */
const perftestBytes = 108;

function perftestAddress(rig: Rig, gid: Gid): Buffer {
  const text = [
    ...['0000', hex(4, 4), hex(rig.a.number, 6), hex(packetNumber, 6)],
    ...[hex(rig.region.rkey, 8), hex(rig.address(0), 16), ...[...gid.raw].map((byte) => hex(byte, 2))],
    ...[hex(0, 8), '\0'],
  ];
  return Buffer.from(text.join(':'));
}

describe.skipIf(!peersHere())('peers', () => {
  const start = (rig: Rig, program: string, ...args: string[]): ChildProcess => {
    const { index } = usableGid(rig.context);
    const common = ['-d', rig.context.device, '-p', `${port}`, '-n', `${rounds}`, '-s', `${messageBytes}`];
    return spawn(program, [
      ...common,
      '-m',
      '1024',
      program === 'ibv_rc_pingpong' ? '-g' : '-x',
      `${index}`,
      ...args,
    ]);
  };
  const send = (rig: Rig): Send => ({
    opcode: sendOpcode.send,
    flags: sendFlags.signaled,
    sges: [rig.sge(0, messageBytes)],
  });

  test('ibv_rc_pingpong as a server, which sends back the bytes that it receives', async () => {
    using rig = new Rig();
    rig.a.toReset();
    const program = start(rig, 'ibv_rc_pingpong');
    const ended = outcome(program);
    const socket = await reach();
    const gid = usableGid(rig.context);
    socket.write(pingPongAddress(rig.a.number, gid));
    const [queuePair, remotePacketNumber] = readPingPong(await read(socket, pingPongBytes));
    connect(rig.a, queuePair, gid, { remotePacketNumber });
    socket.write(done);
    for (let round = 0; round < rounds; round++) {
      const sent = rig.bytes.subarray(0, messageBytes).fill(round);
      rig.receiveAt(rig.a, 1n, rig.sge(messageBytes, messageBytes));
      rig.send(send(rig));
      const completions = await take(rig.sent, 2);
      expect(completions.map(({ status }) => status)).toEqual(['SUCCESS', 'SUCCESS']);
      expect(rig.bytes.subarray(messageBytes, 2 * messageBytes)).toEqual(sent);
    }
    expect(await ended).toMatchObject({ exitCode: 0, output: expect.stringContaining(`${rounds} iters in`) });
  });

  test('ibv_rc_pingpong as a client, which gets its bytes back, each plus one', async () => {
    using rig = new Rig();
    rig.a.toReset();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    const program = start(rig, 'ibv_rc_pingpong', '127.0.0.1');
    const ended = outcome(program);
    const [socket] = (await once(server, 'connection')) as [Socket];
    server.close();
    const gid = usableGid(rig.context);
    const [queuePair, remotePacketNumber] = readPingPong(await read(socket, pingPongBytes));
    connect(rig.a, queuePair, gid, { remotePacketNumber });
    rig.receiveAt(rig.a, 1n, rig.sge(0, messageBytes));
    socket.write(pingPongAddress(rig.a.number, gid));
    const first = (await take(rig.sent, 1)) && rig.bytes[0];
    for (let round = 0; round < rounds; round++) {
      const got = rig.bytes.subarray(0, messageBytes);
      expect(got).toEqual(new Uint8Array(messageBytes).fill(first + round));
      got.fill(first + round + 1);
      const last = round === rounds - 1;
      if (!last) rig.receiveAt(rig.a, 1n, rig.sge(0, messageBytes));
      rig.send(send(rig));
      await take(rig.sent, last ? 1 : 2);
    }
    expect(await ended).toMatchObject({ exitCode: 0, output: expect.stringContaining(`${rounds} iters in`) });
  });

  test.each(['ib_read_bw', 'ib_read_lat', 'ib_write_bw'])('%s, on our memory', async (name) => {
    using rig = new Rig();
    rig.a.toReset();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    const program = start(rig, name, '-F', '127.0.0.1');
    const ended = outcome(program);
    const [socket] = (await once(server, 'connection')) as [Socket];
    server.close();
    // The program may end without reading the last answer. Whether it has done its work, it says itself.
    socket.on('error', () => {});
    const gid = usableGid(rig.context);
    let connected = false;
    // perftest expects an answer to each message: our address to its address, and an echo to all other messages.
    socket.on('data', (message: Buffer) => {
      if (message.length !== perftestBytes) return socket.write(message);
      const [, , queuePair, first] = message.toString('latin1').split(':');
      if (!connected)
        connect(rig.a, Number.parseInt(queuePair, 16), gid, {
          remotePacketNumber: Number.parseInt(first, 16),
        });
      connected = true;
      return socket.write(perftestAddress(rig, gid));
    });
    const { output, exitCode } = await ended;
    expect(output).toMatch(new RegExp(`^ *${messageBytes} +${rounds} `, 'm'));
    expect(exitCode).toBe(0);
    expect(rig.bytes.subarray(0, messageBytes).some((byte) => byte !== 0)).toBe(name === 'ib_write_bw');
    expect(rig.a.query().state).toBe('rts');
  });
});
