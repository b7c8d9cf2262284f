// The latency of a grant during a burst of large frames and replies: from the grant of a small reply until it is here.
import { join } from 'node:path';
import { fingerprint } from '../../src/plan/fingerprint.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Exchange, Outgoing, Session } from '../../src/transport/transport.ts';
import { SEQUENCE_BYTES, wireVersion } from '../../src/wire/layout.ts';
import { subrequestBytes, writeSubrequest } from '../../test/40.wire/write-subrequest.ts';
import { quantile } from '../measure.ts';
import { startChild } from '../serving/child.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { writeTables } from '../serving/rows.ts';
import { grantsTable, routingOfGrants } from './grants-table.ts';

const bursts = 32;
const heldAtOnce = 32;
const betweenMs = 2;
const large = { bags: 4_096, keysPerBag: 64 };

type How = 'own' | 'shared';

export async function grants(rounds: number): Promise<void> {
  const leftovers = new Leftovers();
  const file = join(leftovers.directory(), 'grants.safetensors');
  await writeTables(file, [grantsTable]);
  const start = async (program: string, args: string[]): Promise<number> => {
    const file = join(import.meta.dirname, program);
    return (await startChild<{ port: number }>(leftovers, file, args)).message.port;
  };
  const node = await start('grants-node.ts', [file]);
  const hows: readonly How[] = ['own', 'shared'];
  const times: Record<How, number[]> = { own: [], shared: [] };
  const sides = await Promise.all(
    hows.map(async (how) => ({ how, tunnel: await start('tunnel.ts', [String(node), how]) })),
  );
  for (let round = 0; round <= rounds; round++)
    for (const { how, tunnel } of sides) {
      const measured = await measure(tunnel);
      // The first round compiles the code.
      if (round > 0) times[how].push(...measured);
    }
  console.log(
    `\ngrants during bursts of ${bursts} frames of 1 MiB, with replies of 272 KiB, ${rounds} rounds`,
  );
  console.log('| connection of credits | grants | median ms | p99 ms |\n| --- | ---: | ---: | ---: |');
  for (const how of hows) {
    const [median, p99] = [quantile(times[how], 0.5), quantile(times[how], 0.99)];
    const name = how === 'own' ? 'their own' : 'shared with large frames';
    console.log(`| ${name} | ${times[how].length} | ${median.toFixed(2)} | ${p99.toFixed(2)} |`);
  }
  const lower = (q: number): string =>
    `${((1 - quantile(times.own, q) / quantile(times.shared, q)) * 100).toFixed(0)} %`;
  console.log(
    `their own connection: median lower by ${lower(0.5)} (aim 35 %), p99 by ${lower(0.99)} (aim 25 %)`,
  );
  process.exit();
}

/** @returns ms of each grant */
async function measure(port: number): Promise<number[]> {
  const plan = fingerprint(routingOfGrants());
  const laneOf = ({ bytes }: Outgoing) => (bytes > 16_384 ? 'bulk' : 'small');
  const transport = new StreamTransport(new HttpTransport(), {}, laneOf);
  const session: Session = transport.session(`http://127.0.0.1:${port}`);
  const [small, bulk] = [outgoingOf(plan, 1, 1), outgoingOf(plan, large.bags, large.keysPerBag)];
  for (const one of [small, bulk]) (await session.send(one).reply).release();
  if (session.replyBound?.(small) !== 'hold') throw new Error('the node takes no credits');
  const held: Exchange[] = Array.from({ length: heldAtOnce }, () => session.send(small, true));
  const times: number[] = [];
  // Its connection is open before the burst.
  held[0].grant?.();
  await held[0].reply;
  const replies = Array.from({ length: bursts }, () => session.send(bulk).reply);
  await Promise.all([
    ...replies.map(async (reply) => (await reply).release()),
    ...held.slice(1).map(async (exchange, i) => {
      await new Promise((begin) => setTimeout(begin, i * betweenMs));
      const began = performance.now();
      exchange.grant?.();
      await exchange.reply;
      times.push(performance.now() - began);
    }),
  ]);
  await transport.close();
  return times;
}

function outgoingOf(plan: bigint, bags: number, keysPerBag: number): Outgoing {
  const keys = Uint32Array.from({ length: bags * keysPerBag }, (_, i) => i % grantsTable.rows);
  const segment = {
    ...{ shard: 0, version: 1, wide: false, partial: false, fetch: false, missing: undefined },
    ...{
      keys,
      offsets: Uint32Array.from({ length: bags + 1 }, (_, i) => i * keysPerBag),
      weights: undefined,
    },
  };
  const bytes = subrequestBytes([segment]);
  const head = { version: wireVersion, checksum: false, plan, timeLeftUs: 0 };
  const replyBytes = 64 + bags * (grantsTable.dim * 4 + 4);
  return {
    ...{ bytes, replyBytes, replyBytesMax: replyBytes + keys.byteLength + SEQUENCE_BYTES },
    write: (words, at, id, _, held = false) =>
      writeSubrequest(words, at, { ...head, id, replyCredits: held ? 0 : 64 }, bytes, [segment]),
  };
}
