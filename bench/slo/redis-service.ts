// A process with our scorer and HTTP service, but rows come from Redis and are pooled in JavaScript: only the lookup
// differs. Its arguments are the port of Redis, the file that lists the tables, and the networks.
import { RankHost, SafetensorsFile } from '../../src/index.ts';
import { peer } from '../peers.ts';
import type { TableShape } from '../serving/workload.ts';
import { RedisSource } from './redis-source.ts';

const [port, tablesFile, ...dense] = process.argv.slice(2);
await using file = await SafetensorsFile.open(tablesFile);
const tables = JSON.parse(file.metadata.tables) as TableShape[];
const { Redis } = await peer('ioredis');
const source = new RedisSource(new Redis({ host: '127.0.0.1', port: Number(port) }), tables);
const host = await RankHost.start({ source, dense, name: 'model' });
process.send?.({ url: host.url });
process.once('disconnect', () => process.exit());
