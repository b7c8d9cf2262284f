// A process with our tables and kernels behind a gRPC server. Its argument is the file of the tables.
import { openTables } from '../../src/index.ts';
import { peer } from '../peers.ts';
import { type BagsMessage, decodeBags, encodePooled, protoPath } from './grpc-messages.ts';

const { Server, ServerCredentials, loadPackageDefinition } = await peer('@grpc/grpc-js');
const { loadSync } = await peer('@grpc/proto-loader');
const { bench } = loadPackageDefinition(loadSync(protoPath));

const tables = await openTables(process.argv[2]);
const specs = tables.specs;

const server = new Server({ 'grpc.max_receive_message_length': -1 });
server.addService(bench.Lookup.service, {
  Pool({ request }: { request: BagsMessage }, answer) {
    tables.lookup(decodeBags(request, specs)).then(
      (lookup) => answer(null, encodePooled(lookup)),
      (error: Error) => answer(error),
    );
  },
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ port });
});
process.once('disconnect', () => process.exit());
