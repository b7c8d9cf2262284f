// A process that holds the leases of a node and of a ranker: node lease-holder.ts ADDRESS NAME
import { NatsCluster } from '../../src/nats/nats-cluster.ts';

const [where, name] = process.argv.slice(2);
const cluster = await NatsCluster.open(where);
const plan = 'a'.repeat(16);
const about = { version: '1', url: 'http://127.0.0.1:9', ports: [9], room: { usedBytes: 1 } };
const onError = (error: Error): void => console.log(error.message);
cluster.leases.holdNode(() => ({ node: name, ...about, releases: [{ plan, state: 'ready' }] }), onError);
cluster.leases.holdRanker(() => ({ plan, since: '', version: '1', host: name }), onError);
console.log('held');
