import { FlexemrError } from '../errors.ts';
import type { ChainEnd, ChainPosition } from './batch.ts';
import { Chain, isSamePlace } from './chain.ts';
import type { LoggedBatch, UpdateLog } from './update-log.ts';

/**
 * The batches of a chain between two places in it, without those that lost a race, or continue what the log has lost.
 * @throws CONFLICT if the log does not have them; as UpdateLog
 */
export async function* batchesBetween(
  log: UpdateLog,
  name: string,
  from: ChainEnd,
  to: ChainPosition,
): AsyncGenerator<LoggedBatch> {
  const chain = new Chain(from.position);
  for (let at = from.sequence; chain.position.number < to.number; ) {
    const found = await log.next(name, at);
    if (found === undefined) throw missing(name, chain.position.number + 1n);
    at = found.sequence;
    if (chain.judge(found.batch) !== 'next') continue;
    chain.advance(found.batch.position);
    yield found;
  }
  if (!isSamePlace(chain.position, to)) throw missing(name, to.number);
}

/**
 * Where a chain was after so many batches, from what the log still has. Whoever writes a batch says after which one, also if it loses a
 * race. @throws CONFLICT if the log has forgotten the batch that follows; as UpdateLog
 */
export async function placeAfter(log: UpdateLog, name: string, batches: bigint): Promise<ChainEnd> {
  const incarnation = await log.incarnation();
  for (let at = 0; ; ) {
    const found = await log.next(name, at);
    if (found === undefined) throw missing(name, batches + 1n);
    at = found.sequence;
    const { position, previous, after } = found.batch;
    if (position.number === batches + 1n && position.incarnation === incarnation)
      return { sequence: after, position: { incarnation, number: batches, digest: previous } };
  }
}

function missing(chain: string, number: bigint): FlexemrError {
  const message = `the stream of row updates does not have batch ${number} of chain ${chain}, or has another one now: begin with a later batch, or with a newer snapshot`;
  return new FlexemrError('CONFLICT', message, { field: 'updates', value: number });
}
