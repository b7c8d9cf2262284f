import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SharedRead } from '../../src/updates/shared-read.ts';

test('whoever asks hears what a read finds that began later; reads are one at a time, also after one that fails', async () => {
  const act = fc.constantFrom('ask', 'ask', 'end', 'fail', 'turn');
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
      const open: PromiseWithResolvers<number>[] = [];
      let begun = 0;
      const shared = new SharedRead(() => {
        expect(open).toEqual([]);
        begun++;
        open.push(Promise.withResolvers());
        return open[0].promise;
      });
      const asked: Promise<void>[] = [];
      const end = (isBroken: boolean): void => {
        const ended = open.shift();
        if (isBroken) ended?.reject(begun);
        else ended?.resolve(begun);
      };
      for (const what of acts) {
        const before = begun;
        const heard = (read: number): void => expect(read).toBeGreaterThan(before);
        if (what === 'ask') asked.push(shared.read().then(heard, heard));
        else if (what === 'turn') await new Promise((turn) => setImmediate(turn));
        else end(what === 'fail');
      }
      // All of them end, with at most one read more than is under way.
      const reads = begun;
      for (let i = 0; i < 3; i++) {
        await new Promise((turn) => setImmediate(turn));
        end(false);
      }
      await Promise.all(asked);
      expect(begun - reads).toBeLessThanOrEqual(1);
    }),
  );
});
