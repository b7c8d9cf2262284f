// A thread that looks up over RDMA and does not close its ranker. It posts the values; then nothing may keep it alive.

import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { openRanker } from '../../../src/index.ts';
import { HttpTransport } from '../../../src/transport/http.ts';
import { RdmaTransport } from '../../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../../src/transport/stream.ts';

const transport = await RdmaTransport.open(new StreamTransport(new HttpTransport()), {});
const ranker = await openRanker({ routing: workerData, transport, pushDown: 'always' });
while (transport.connected === 0) await sleep(5);
const before = transport.traffic().bytesIn;
const lookup = await ranker.lookup({ a: { keys: [0, 1, 2], offsets: [0, 2] } });
parentPort?.postMessage({
  values: [...(lookup.get('a')?.values ?? [])],
  bytesIn: transport.traffic().bytesIn - before,
});
