// A process with one memory node of a plan.
import { readFileSync } from 'node:fs';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { parseRouting } from '../../src/plan/routing-json.ts';

const [tables, plan, node, workers] = process.argv.slice(2);
const routing = parseRouting(readFileSync(plan, 'utf8'), plan);
const host = await MemoryNodeHost.start({ tables, routing, node, workers: Number(workers) });
process.send?.({ url: host.url });
process.once('disconnect', () => process.exit());
