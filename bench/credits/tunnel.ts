// A process between a ranker and a node: a link of 1 Gbit/s for what the ranker sends. Connections share the link fairly, as TCP
// does, piece by piece. Credits have a connection of their own there, or, if they are shared, wait behind the large frames in
// one. Arguments: port of the node, `shared` or `own`.
import { connect, createServer, type Socket } from 'node:net';

const [port, how] = process.argv.slice(2);
const bytesPerMs = 125_000;
const pieceBytes = 16_384;
const isForCredits = /^flexemr-credits: [0-9a-f]{32}\r$/im;

/** What waits for the link, of one connection across it. */
interface Lane {
  readonly pieces: { readonly to: Socket; readonly bytes: Buffer }[];
}

const lanes = new Set<Lane>();
const common: Lane = { pieces: [] };
let streams = 0;
let last = performance.now();
let allowance = 0;

function pump(): void {
  const now = performance.now();
  allowance = Math.min(allowance + (now - last) * bytesPerMs, 50 * bytesPerMs);
  last = now;
  for (let sent = true; sent && allowance > 0; ) {
    sent = false;
    for (const { pieces } of lanes) {
      const piece = pieces.shift();
      if (piece === undefined) continue;
      allowance -= piece.bytes.length;
      sent = true;
      piece.to.write(piece.bytes);
    }
  }
  // A link that has nothing to send saves nothing up.
  if (allowance > 0) allowance = 0;
  setImmediate(pump);
}

const server = createServer((client) => {
  const to = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
  for (const socket of [client, to]) socket.on('error', () => {});
  client.setNoDelay(true);
  to.pipe(client);
  let lane: Lane | undefined;
  client.on('data', (bytes: Buffer) => {
    if (lane === undefined) {
      const text = bytes.toString('latin1', 0, 512);
      // The first stream is that of small frames, the second one that of large ones.
      const isStream = /^flexemr-credits: ask/im.test(text);
      if (isStream) streams++;
      const shares = how === 'shared' && ((isStream && streams % 2 === 0) || isForCredits.test(text));
      lane = shares ? common : { pieces: [] };
      lanes.add(lane);
    }
    for (let at = 0; at < bytes.length; at += pieceBytes)
      lane.pieces.push({ to, bytes: bytes.subarray(at, at + pieceBytes) });
  });
  client.on('close', () => {
    if (lane !== undefined && lane !== common) lanes.delete(lane);
    to.destroy();
  });
});
server.listen(0, '127.0.0.1', () => {
  pump();
  process.send?.({ port: (server.address() as { port: number }).port });
});
process.once('disconnect', () => process.exit());
