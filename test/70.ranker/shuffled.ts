import type { Exchange, Outgoing, Received, Session, Transport } from '../../src/transport/transport.ts';

/** Delays each reply by some turns of the event loop, so that replies arrive in any order. */
export function shuffled(transport: Transport, random: () => number): Transport {
  const late = async (reply: Promise<Received>): Promise<Received> => {
    const received = await reply;
    for (let turns = Math.floor(random() * 6); turns > 0; turns--)
      await new Promise((resolve) => setImmediate(resolve));
    return received;
  };
  const session = (url: string): Session => {
    const inner = transport.session(url);
    return {
      send(outgoing: Outgoing): Exchange {
        const exchange = inner.send(outgoing);
        return { reply: late(exchange.reply), cancel: () => exchange.cancel() };
      },
      close: () => inner.close(),
    };
  };
  return {
    name: `shuffled ${transport.name}`,
    session,
    describe: (url) => transport.describe(url),
    traffic: () => transport.traffic(),
    close: () => transport.close(),
  };
}
