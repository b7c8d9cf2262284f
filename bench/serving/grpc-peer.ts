// The same pooling with the usual RPC: grpc-js, one unary call per lookup.
import { peer } from '../peers.ts';
import { startChild } from './child.ts';
import type { Contender, Peer, PeerFactory, Serving } from './contender.ts';
import {
  type BagsMessage,
  decodePooled,
  encodeBags,
  type PooledMessage,
  protoPath,
} from './grpc-messages.ts';

export const grpcPeer: PeerFactory = { name: 'grpc', start };

interface Client {
  Pool(bags: BagsMessage, answer: (error: Error | null, pooled: PooledMessage) => void): void;
  close(): void;
}

async function start({ tablesFile, leftovers }: Serving): Promise<Peer> {
  const { credentials, loadPackageDefinition } = await peer('@grpc/grpc-js');
  const { loadSync } = await peer('@grpc/proto-loader');
  const { bench } = loadPackageDefinition(loadSync(protoPath));
  const { child, pid, message } = await startChild<{ port: number }>(
    leftovers,
    `${import.meta.dirname}/grpc-server.ts`,
    [tablesFile],
  );
  const options = { 'grpc.max_receive_message_length': -1 };
  const client = new bench.Lookup(
    `127.0.0.1:${message.port}`,
    credentials.createInsecure(),
    options,
  ) as unknown as Client;
  return {
    contenders: [contender(client, pid)],
    async close() {
      client.close();
      await leftovers.end(child);
    },
  };
}

function contender(client: Client, pid: number): Contender {
  const call = (bags: BagsMessage): Promise<PooledMessage> =>
    new Promise((resolve, reject) => {
      client.Pool(bags, (error, pooled) => (error ? reject(error) : resolve(pooled)));
    });
  return {
    name: 'gRPC',
    lookup: async (batch) => decodePooled(await call(encodeBags(batch)), batch.features),
    serverPids: () => [pid],
  };
}
