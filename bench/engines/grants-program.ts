// Runs in the guest: prints the latencies of credits over its device as one line of JSON.
import * as verbs from 'ibverbs-node';
import { measure } from './credit-bursts.ts';

const rounds = Number(process.argv[2]);
const asleep = new Int32Array(new SharedArrayBuffer(4));
const latencies = measure(
  {
    verbs,
    gidOf(context) {
      const gids = context.gids(1);
      return gids.find(({ text }) => text.startsWith('::ffff:')) ?? gids[0];
    },
    // The kernel does the work of the device, maybe on this processor.
    advance: () => void Atomics.wait(asleep, 0, 0, 0.01),
  },
  rounds,
);
console.log(JSON.stringify(latencies));
