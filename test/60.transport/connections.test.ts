// Who goes where there are as many connections as may be.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Connections } from '../../src/transport/connections.ts';
import { runs } from '../runs.ts';

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

test('there are never more than may be, and those that have shown nothing go first', () => {
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
          connections.add(socket as unknown as Socket, taken.trusted);
          const gone = all.filter(({ destroyed }) => destroyed);
          // One comes, so one goes at most; a trusted one only where there is no stranger, a busy one only where none is idle.
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

test('strangers of one address leave a quarter to others', () => {
  const connections = new Connections(100);
  const crowd = Array.from({ length: 200 }, () => new FakeSocket('10.0.0.1'));
  for (const socket of crowd) connections.add(socket as unknown as Socket, false);
  expect(crowd.filter(({ destroyed }) => !destroyed)).toHaveLength(75);
  const others = Array.from({ length: 25 }, (_, i) => new FakeSocket(`10.0.1.${i}`));
  for (const socket of others) connections.add(socket as unknown as Socket, false);
  expect(others.every(({ destroyed }) => !destroyed)).toBe(true);
  connections.close();
});
