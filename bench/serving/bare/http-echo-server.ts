// A process with a server of node:http with default options. The path of a request is the number of bytes to reply.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { replyBytesMax, requestBytesMax } from './transport-under-test.ts';

const request = new Uint8Array(requestBytesMax);
const reply = new Uint8Array(replyBytesMax).fill(120);

const server = createServer((incoming, response) => {
  let at = 0;
  incoming.on('data', (chunk) => {
    request.set(chunk, at);
    at += chunk.length;
  });
  incoming.on('end', () => {
    const body = reply.subarray(0, Number(incoming.url?.slice(1)));
    response.writeHead(200, { 'content-length': body.length });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.once('disconnect', () => process.exit());
