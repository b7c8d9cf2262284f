// Runs in the guest, with a node on one host and a ranker on the other: prints the latencies of credits as one line of JSON.
import * as verbs from 'ibverbs-node';
import { measure } from './credit-bursts.ts';

const rounds = Number(process.argv[2]);
const asleep = new Int32Array(new SharedArrayBuffer(4));
const latencies = measure(
  {
    verbs,
    devices: ['rxe_left', 'rxe_right'],
    gidIndex: 0,
    // The kernel does the work of the device, maybe on this processor.
    advance: () => void Atomics.wait(asleep, 0, 0, 0.01),
  },
  rounds,
);
console.log(JSON.stringify(latencies));
