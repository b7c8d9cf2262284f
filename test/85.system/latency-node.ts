// A process with one memory node. Arguments: tables, plan, node, bytes of a slice.
import { readFileSync } from 'node:fs';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { parseRouting } from '../../src/plan/routing-json.ts';

const [tables, plan, node, bytes] = process.argv.slice(2);
const routing = parseRouting(readFileSync(plan, 'utf8'), plan);
const sliceBytes = bytes === undefined ? undefined : Number(bytes);
const host = await MemoryNodeHost.start({ tables, routing, node, sliceBytes });
process.send?.({ url: host.url });
process.once('disconnect', () => process.exit());
