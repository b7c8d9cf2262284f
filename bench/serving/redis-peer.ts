// The usual way of a JavaScript service today: rows are in Redis, and the client fetches them by MGET and pools them.
import { peer } from '../peers.ts';
import type { Contender, Peer, PeerFactory, Serving } from './contender.ts';
import { poolRows } from './plain-pooling.ts';
import { loadRows, redisKey } from './redis-rows.ts';
import { type RedisServer, startRedis } from './redis-server.ts';
import type { RequestBatch } from './requests.ts';

export const redisPeer: PeerFactory = { name: 'redis', start };

interface Client {
  readonly name: string;
  /** The rows of all keys, in one MGET. */
  fetchRows(keys: string[]): Promise<(Buffer | null)[]>;
  close(): void;
}

async function start(serving: Serving): Promise<Peer> {
  // If a package is missing, this fails before gigabytes are loaded.
  await Promise.all([peer('ioredis'), peer('redis')]);
  const server = await startRedis(serving.leftovers, serving.directory);
  await loadRows(server, serving.tablesFile, serving.workload.tables);
  const clients = [await ioredis(server), await nodeRedis(server)];
  return {
    contenders: clients.map((client) => contender(client, server)),
    async close() {
      for (const client of clients) client.close();
      await serving.leftovers.end(server.child);
    },
  };
}

/**
 * Sends one MGET per batch, with keys as strings. Measured on the rows of MLPerf for both clients: keys as strings take
 * less CPU of the client than keys as buffers, and one MGET per batch takes no more than one per sample.
 */
function contender({ name, fetchRows }: Client, { child }: RedisServer): Contender {
  return {
    name,
    lookup: async (batch) => poolRows(batch, await fetchRows(keysOf(batch))),
    serverPids: () => [child.pid ?? 0],
  };
}

function keysOf({ features }: RequestBatch): string[] {
  return features.flatMap(({ keys }, table) => Array.from(keys, (row) => redisKey(table, row)));
}

async function ioredis({ host, port }: RedisServer): Promise<Client> {
  const { Redis } = await peer('ioredis');
  const client = new Redis({ host, port });
  const name = 'Redis, ioredis';
  return { name, fetchRows: (keys) => client.mgetBuffer(keys), close: () => client.disconnect() };
}

async function nodeRedis({ host, port }: RedisServer): Promise<Client> {
  const { createClient, RESP_TYPES } = await peer('redis');
  const client = createClient({ socket: { host, port } });
  await client.connect();
  const asBuffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const name = 'Redis, node-redis';
  return { name, fetchRows: (keys) => asBuffers.mGet(keys), close: () => client.destroy() };
}
