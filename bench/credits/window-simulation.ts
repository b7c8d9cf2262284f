// A process that simulates a ranker and four nodes, one of them slow or none. Each thread has a core of its own. Argument: options, as JSON.
import type { Session } from '../../src/transport/transport.ts';
import { fixWindows } from './fixed-windows.ts';
import {
  bagsOf,
  mean,
  nodes,
  ratesOf,
  routingOf,
  slowNode,
  type WindowResult,
  type WindowSetting,
} from './window-tables.ts';

const { fixed, slow, seconds, everywhere, elsewhere, bags, replyBytes, deadline }: WindowSetting = JSON.parse(
  process.argv[2],
);
if (fixed) fixWindows();
const { kernelModule } = await import('../../src/kernel/files.ts');
const { InlineRanker } = await import('../../src/ranker/inline-ranker.ts');
const { SimulatedCluster, token } = await import('../../src/simulation/cluster.ts');
const { AnswerCosts } = await import('../../src/simulation/answer-costs.ts');
const { Descriptions } = await import('../../src/simulation/descriptions.ts');
const { Network } = await import('../../src/simulation/network.ts');
const { Processor } = await import('../../src/simulation/processor.ts');
const { SyntheticRows } = await import('../../src/simulation/synthetic-rows.ts');
const { World } = await import('../../src/simulation/world.ts');
const { StreamTransport } = await import('../../src/transport/stream.ts');

/** Of a node for one subrequest, beside its keys; the slow node needs so many times as long. */
const subrequestMs = 0.04;
const slowness = 10;
const threadCosts = {
  wakeMs: 0.005,
  readMs: 0.004,
  writeMs: 0.004,
  restMs: 0.001,
  pauses: { everyMs: 0, ms: 0 },
};
const answerCosts = { subrequest: 0, segment: 140, key: 20, rowByte: 0.05, replyByte: 0.1 };
const weather = { delayMsMin: 0.05, delayMsMax: 0.05, piecesMax: 1, windowBytes: 2 ** 22 };
const lookEveryMs = 1;
/** Subrequests that were sent to the node that may be slow, and bytes of them and of their replies. */
let [inFlight, inFlightBytes] = [0, 0];

using world = new World(1);
using network = new Network(world, weather);
using _ = new AnswerCosts(world, answerCosts);
const healthOf = (name: string) => {
  const workMs = slow && name === `n${slowNode}` ? slowness * subrequestMs : subrequestMs;
  return { replyMs: () => 0, full: false, onOverload: () => {}, onSubrequest: () => world.work(workMs) };
};
const routing = routingOf();
const cluster = new SimulatedCluster({
  ...{ world, network, workers: 1, rows: new SyntheticRows(), costs: threadCosts, healthOf },
  ...{ nodes: routing.nodes.map(({ id }) => id), tables: routing.tables },
});
const result = await world.run(play());
process.send?.(result);
process.disconnect?.();

async function play(): Promise<WindowResult> {
  await cluster.start();
  const processor = new Processor('ranker', threadCosts);
  const transport = new StreamTransport(new Descriptions(network), { token });
  const { session } = transport;
  transport.session = (url) => {
    const opened = session.call(transport, url);
    if (url !== cluster.nodes[slowNode].url) return opened;
    const send: Session['send'] = (outgoing, granted) => {
      const exchange = opened.send(outgoing, granted);
      const bytes = outgoing.bytes + outgoing.replyBytes;
      inFlight++;
      inFlightBytes += bytes;
      const end = (): void => {
        inFlight--;
        inFlightBytes -= bytes;
      };
      exchange.reply.then(end, end);
      return exchange;
    };
    return {
      send,
      replyBound: (outgoing) => opened.replyBound?.(outgoing) ?? 'reserve',
      close: () => opened.close(),
    };
  };
  const module = kernelModule('ranker');
  const ranker = await world.in(processor, () =>
    InlineRanker.open({
      ...{ routing: cluster.source(), transport, module, replyBytes },
      ...{ pushDown: 'always', checksums: false },
    }),
  );
  const until = world.now + seconds * 1_000;
  const [held, heldBytes]: number[][] = [[], []];
  const look = (): void => {
    held.push(inFlight);
    heldBytes.push(inFlightBytes);
    if (world.now < until) world.at(world.now + lookEveryMs, look, world.outside);
  };
  look();
  const all = Array.from({ length: nodes }, (_, i) => i);
  const load = async (numbers: readonly number[], atOnce: number) => {
    const [wanted, times] = [bagsOf(numbers, bags), [] as number[]];
    let late = 0;
    const loop = async (): Promise<void> => {
      while (world.now < until) {
        const since = world.now;
        try {
          const lookup = await world.in(processor, () => ranker.lookup(wanted, { deadline }));
          lookup[Symbol.dispose]();
          times.push(world.now - since);
        } catch {
          late++;
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, loop));
    return ratesOf(times, late, seconds * 1_000);
  };
  const [rates, others] = await Promise.all([
    load(all, everywhere),
    load(
      all.filter((i) => i !== slowNode),
      elsewhere,
    ),
  ]);
  await world.in(processor, () => ranker.close());
  await cluster.close();
  return { everywhere: rates, elsewhere: others, held: mean(held), heldBytes: mean(heldBytes) };
}
