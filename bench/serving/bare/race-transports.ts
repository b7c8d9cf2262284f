import { type Context, unlessAbsent } from '../context.ts';
import { peerFactories } from '../peers.ts';
import { callingRacer, type Racer, race } from '../race.ts';
import { tableHead, tableRow } from '../report.ts';
import type { BareResult } from '../result.ts';
import { EpollEcho } from './epoll-racer.ts';
import { type RunningTransport, type Size, sizes, type TransportUnderTest } from './transport-under-test.ts';
import { transports } from './transports.ts';

/** Exchanges in flight at any time. */
const inFlight = 16;

interface Runner {
  readonly transport: TransportUnderTest;
  readonly running: RunningTransport;
}

/** Measures the cost of transferring bytes, without lookups. */
export async function raceTransports(context: Context): Promise<BareResult[]> {
  const { leftovers, options } = context;
  const withOurs = peerFactories.some(({ name, ours }) => ours && options.peers.includes(name));
  await using closing = new AsyncDisposableStack();
  const runners: Runner[] = [];
  for (const transport of transports) {
    if (transport.ours && !withOurs) continue;
    const running = await unlessAbsent(context, () => transport.start(leftovers, inFlight));
    if (!running) continue;
    closing.defer(() => running.close());
    runners.push({ transport, running });
  }
  const floor = await unlessAbsent(context, () => EpollEcho.start(leftovers));
  if (floor) closing.defer(() => floor.close());
  const results: BareResult[] = [];
  for (const size of sizes) results.push(...(await raceSize(context, size, runners, floor)));
  return results;
}

async function raceSize(
  { options, traffic }: Context,
  size: Size,
  runners: readonly Runner[],
  floor: EpollEcho | undefined,
): Promise<BareResult[]> {
  const { name, requestBytes, replyBytes } = size;
  const anyOurs = runners.some(({ transport }) => transport.ours);
  console.log(`\n${tableHead(`bare, ${name}`, 'replies', anyOurs)}`);
  const racers: Racer[] = runners.map(({ transport, running }) =>
    callingRacer({
      name: transport.name,
      inFlight,
      serverPids: [running.serverPid],
      traffic,
      call: () => running.exchange(requestBytes, replyBytes).then(() => 1),
    }),
  );
  if (floor) racers.push(floor.racer(size, inFlight));
  const outcomes = await race(racers, options.course);
  const results = outcomes.map((outcome, i): BareResult => {
    return { ...outcome, requestBytes, replyBytes, inFlight, ours: runners[i]?.transport.ours ?? false };
  });
  const ours = results.find((result) => result.ours);
  for (const result of results) console.log(tableRow(result, ours));
  return results;
}
