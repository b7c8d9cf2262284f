// The model of a store keeps its own promise. test/cluster plays the same on NATS.
import fc from 'fast-check';
import { test } from 'vitest';
import { runs } from '../runs.ts';
import { Cell, MemoryStore } from './memory-store.ts';
import { clients, play, rounds } from './store-case.ts';

test('of all who replace a cluster at the same time, one wins', async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (acts) => {
      const cell = new Cell();
      await play(
        Array.from({ length: clients }, () => new MemoryStore(cell)),
        acts,
      );
    }),
    { numRuns: runs.clusterRounds },
  );
});
