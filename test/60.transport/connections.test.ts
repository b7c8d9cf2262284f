// Which connections are closed when the limit of connections is reached.
import { EventEmitter, once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { Connections } from '../../src/transport/connections.ts';
import { Listener } from '../../src/transport/listener.ts';
import { runs } from '../runs.ts';
import { certificates } from './certificates.ts';

class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  bytesRead = 0;
  destroyed = false;
  trusted = false;
  busy = 0;

  constructor(address: string) {
    super();
    this.remoteAddress = address;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('connect' as const),
      from: fc.nat({ max: 2 }),
      trusted: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('ask' as const), who: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('trust' as const), who: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('leave' as const), who: fc.nat() }) },
);

test('there are never more connections than the limit, and those without a token are closed first', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.array(step, { maxLength: 80 }), (max, steps) => {
      const connections = new Connections(max);
      const open = new Set<FakeSocket>();
      for (const taken of steps) {
        const all = [...open];
        const who = 'who' in taken ? all[taken.who % Math.max(1, all.length)] : undefined;
        if (taken.does === 'connect') {
          const socket = new FakeSocket(`10.0.0.${taken.from}`);
          socket.trusted = taken.trusted;
          connections.add(socket as unknown as Socket);
          if (taken.trusted) connections.trust(socket as unknown as Socket);
          const gone = all.filter(({ destroyed }) => destroyed);
          // One is closed at most: a trusted one only if there is no other, a busy one only if none is idle.
          expect(gone.length).toBeLessThanOrEqual(1);
          for (const victim of gone) {
            open.delete(victim);
            const left = [...open];
            if (victim.trusted) expect(left.filter(({ trusted }) => !trusted)).toEqual([]);
            else if (victim.busy > 0 && all.length >= max)
              expect(left.filter(({ trusted, busy }) => !trusted && busy === 0)).toEqual([]);
          }
          open.add(socket);
        } else if (who === undefined) continue;
        else if (taken.does === 'ask') {
          connections.begin(who as unknown as Socket);
          who.busy++;
        } else if (taken.does === 'trust') {
          connections.trust(who as unknown as Socket);
          who.trusted = true;
        } else {
          open.delete(who);
          who.destroy();
        }
        expect([...connections].length).toBe(open.size);
        expect(open.size).toBeLessThanOrEqual(max);
      }
      connections.close();
    }),
    { numRuns: runs.frames },
  );
});

test('connections from one address leave a quarter of the limit to others', () => {
  const connections = new Connections(100);
  const crowd = Array.from({ length: 200 }, () => new FakeSocket('10.0.0.1'));
  for (const socket of crowd) connections.add(socket as unknown as Socket);
  expect(crowd.filter(({ destroyed }) => !destroyed)).toHaveLength(75);
  const others = Array.from({ length: 25 }, (_, i) => new FakeSocket(`10.0.1.${i}`));
  for (const socket of others) connections.add(socket as unknown as Socket);
  expect(others.every(({ destroyed }) => !destroyed)).toBe(true);
  connections.close();
});

test('unfinished handshakes are closed for new connections, and connections with a token stay', async () => {
  const warned: object[] = [];
  const token = 'sesame';
  const at = { host: '127.0.0.1', port: 0, security: { ...certificates.node, token }, connections: 8 };
  const listener = await Listener.open(new MemoryNode('n0', []), at, (what) => warned.push(what));
  await using closing = new AsyncDisposableStack();
  closing.defer(() => listener.close());
  const agent = new Agent({ ca: certificates.ca, keepAlive: true, maxSockets: 1 });
  closing.defer(() => agent.destroy());
  const ask = async (): Promise<{ readonly reused: boolean }> => {
    const headers = { authorization: `Bearer ${token}` };
    const asking = request({ agent, host: '127.0.0.1', port: listener.port, path: '/v1/tables', headers });
    const [response] = await once(asking.end(), 'response');
    expect(response.statusCode).toBe(200);
    await once(response.resume(), 'end');
    return { reused: asking.reusedSocket };
  };
  /** Opens `count` connections that only begin a handshake. Waits until those over the limit are closed. */
  const flood = async (count: number): Promise<void> => {
    let cut = 0;
    for (let i = 0; i < count; i++) {
      const socket = connect(listener.port, '127.0.0.1');
      closing.defer(() => void socket.destroy());
      socket.on('error', () => {}).on('close', () => cut++);
      await once(socket, 'connect');
      socket.write(Uint8Array.of(0x16, 3, 1, 2, 0));
    }
    await vi.waitFor(() => expect(cut).toBeGreaterThanOrEqual(count - at.connections));
  };

  await flood(20);
  expect(await ask()).toEqual({ reused: false });
  await flood(20);
  expect(await ask()).toEqual({ reused: true });
  expect(warned).toEqual([{ connectionsMax: 8, closed: 1 }]);
});
