// Runs the suite of all transports over RDMA.
import { HttpTransport } from '../../src/transport/http.ts';
import { RdmaTransport } from '../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { ways } from '../60.transport/contenders.ts';
import { transportSuite } from '../60.transport/suite.ts';

const rdma = ways({
  name: 'rdma',
  ...{ sockets: true, outOfOrder: true, cancels: false, rdma: true },
  open: (_, client) => RdmaTransport.open(new StreamTransport(new HttpTransport(client), client), client),
});
for (const contender of rdma) transportSuite(contender);
