// Waits for a completion only with its channel. If the channel keeps the process alive, it prints 'event', else 'end'.
import { CompletionChannel, CompletionQueue, QueuePair, sendFlags, sendOpcode } from 'ibverbs-node';
import { connect, Rig, sendWords, usableGid } from '../rig.ts';

const rig = new Rig();
const channel = new CompletionChannel(rig.context);
const queue = new CompletionQueue(rig.context, { depth: 16, channel });
const pair = new QueuePair(rig.domain, {
  sendQueue: queue,
  receiveQueue: queue,
  maxSends: 1,
  maxReceives: 1,
});
rig.b.toReset();
connect(pair, rig.b.number, usableGid(rig.context));
connect(rig.b, pair.number, usableGid(rig.context));

channel.onEvent(() => {
  console.log('event');
  channel.unref();
});
queue.arm();
if (process.argv[2] === 'ref') {
  channel.ref();
  // Without ref() the program would end before this timer.
  setTimeout(post, 50).unref();
} else {
  channel.ref();
  channel.unref();
  process.on('exit', () => console.log('end'));
}

function post(): void {
  const flags = sendFlags.signaled;
  const remote = { remoteAddress: rig.address(8192), rkey: rig.region.rkey };
  pair.postSends(sendWords([{ opcode: sendOpcode.write, flags, sges: [rig.sge(0, 8)], ...remote }]), 1);
}
