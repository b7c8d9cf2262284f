import type { Exchange, Outgoing, Received, Session } from '../transport/transport.ts';
import { unwanted } from '../transport/transport.ts';
import type { ReplyCredit } from './reply-budget.ts';

/**
 * Sends a subrequest whose reply needs a credit. If there is one, the subrequest itself grants the reply. Otherwise the worker
 * pools it, and keeps the reply until there is a credit; if the transport cannot say so, the subrequest is sent when there is one.
 * The caller ends the credit when the exchange has ended.
 */
export function sendCredited(session: Session, outgoing: Outgoing, credit: ReplyCredit): Exchange {
  if (credit.take()) return session.send(outgoing);
  const bound = session.replyBound?.(outgoing) ?? 'reserve';
  if (bound === 'own') return session.send(outgoing);
  return bound === 'hold' ? sendHeld(session, outgoing, credit) : sendLater(session, outgoing, credit);
}

function sendHeld(session: Session, outgoing: Outgoing, credit: ReplyCredit): Exchange {
  const exchange = session.send(outgoing, true);
  credit.wait(() => exchange.grant?.());
  const cancel = async (): Promise<void> => {
    credit.leave();
    await exchange.cancel();
  };
  return { reply: exchange.reply, dropsReply: exchange.dropsReply ?? false, cancel };
}

function sendLater(session: Session, outgoing: Outgoing, credit: ReplyCredit): Exchange {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  let sent: Exchange | undefined;
  credit.wait(() => {
    sent = session.send(outgoing);
    sent.reply.then(resolve, reject);
  });
  const cancel = async (): Promise<void> => {
    credit.leave();
    reject(unwanted());
    await sent?.cancel();
  };
  return {
    reply: promise,
    get dropsReply() {
      return sent === undefined || sent.dropsReply === true;
    },
    cancel,
  };
}
