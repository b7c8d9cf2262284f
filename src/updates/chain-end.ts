import type { ChainEnd, ChainPosition } from './batch.ts';
import { Chain, genesis, isSamePlace } from './chain.ts';
import type { LoggedBatch, UpdateLog } from './update-log.ts';

/**
 * Where a chain ends. The batch that was written last may have lost a race, or may continue a batch that the log has lost: then it is
 * left out. @returns undefined if nothing was written to the chain @throws as UpdateLog
 */
export async function endOf(
  log: UpdateLog,
  name: string,
  incarnation: number,
): Promise<ChainEnd | undefined> {
  for (;;) {
    const last = await log.last(name);
    if (last === undefined) return undefined;
    const chain = await chainAt(log, name, incarnation, last);
    if (chain !== undefined) return { sequence: last.sequence, position: chain.position };
  }
}

/**
 * Where a batch is that a writer has added after the end of a chain, as far as it knew. The log may have lost that end, and have used its
 * sequence again; or somebody else was first.
 * @param last the end of the chain before it @param added its position, and its sequence if nothing can be between
 * @returns undefined if it is not in the chain @throws as UpdateLog
 */
export async function sequenceOf(
  log: UpdateLog,
  name: string,
  last: ChainEnd,
  added: { readonly position: ChainPosition; readonly sequence: number | undefined },
): Promise<number | undefined> {
  const { incarnation, digest } = added.position;
  const before = last.sequence === 0 ? undefined : await log.next(name, last.sequence - 1);
  const isThere = last.sequence === 0 || (before && isAt(before, last));
  if (isThere && added.sequence !== undefined) return added.sequence;
  const first = await continuationOf(log, name, last);
  if (first?.batch.position.digest !== digest) return undefined;
  if (isThere) return first.sequence;
  const chain = await chainAt(log, name, incarnation, first);
  return chain?.position.digest === digest ? first.sequence : undefined;
}

/** Whether a batch is the end of a chain. */
function isAt({ sequence, batch }: LoggedBatch, end: ChainEnd): boolean {
  return sequence === end.sequence && isSamePlace(batch.position, end.position);
}

/**
 * Whether the log has lost the last batch of a chain, as far as it was followed, and has used its sequence again.
 * @param end where the chain ends now @throws as UpdateLog
 */
export async function isReplaced(
  log: UpdateLog,
  name: string,
  { sequence, position }: ChainEnd,
  end: ChainEnd | undefined,
): Promise<boolean> {
  if (position.number === 0n || end === undefined) return false;
  if (end.sequence < sequence) return true;
  if (end.sequence === sequence && end.position.digest === position.digest) return false;
  const found = await log.next(name, sequence - 1);
  if (found === undefined) return false;
  if (found.sequence === sequence) return found.batch.position.digest !== position.digest;
  // The batch is not there. If the writer of the next one has seen it, the log has forgotten it.
  return found.batch.after < sequence;
}

/**
 * The chain as far as a batch of the log. Its writer has seen what was written before, so the first batch, from there back, that
 * continues what is there now, is in the chain, and what follows says the rest. @returns undefined if the log loses batches meanwhile
 */
async function chainAt(
  log: UpdateLog,
  name: string,
  incarnation: number,
  to: LoggedBatch,
): Promise<Chain | undefined> {
  let chain: Chain | undefined;
  let at = 0;
  for (let from = to; chain === undefined; ) {
    const { after, previous, position } = from.batch;
    const isFirst = after === 0 || after >= from.sequence;
    const before = isFirst ? undefined : await log.next(name, after - 1);
    if (!isFirst && before === undefined) return undefined;
    // What is not there any more was there when it was written: the log has forgotten it since, and begins with a batch of the chain.
    if (before === undefined || before.sequence > after) {
      at = 0;
      chain = new Chain(genesis(incarnation));
      break;
    }
    at = after;
    const isNext =
      position.incarnation === incarnation &&
      before.batch.position.digest === previous &&
      before.batch.position.incarnation === incarnation;
    if (isNext) chain = new Chain({ incarnation, number: position.number - 1n, digest: previous });
    else from = before;
  }
  while (at < to.sequence) {
    const found = await log.next(name, at);
    if (found === undefined) return undefined;
    at = found.sequence;
    const judged = chain.judge(found.batch);
    if (judged === 'gap' && isFirstKept(chain, found)) chain = beforeOf(found);
    if (chain.judge(found.batch) === 'next') chain.advance(found.batch.position);
  }
  return chain;
}

/** Whether a batch is the first one that the log has not forgotten, and what was before it was there when it was written. */
function isFirstKept({ position: { number } }: Chain, { sequence, batch: { after } }: LoggedBatch): boolean {
  return number === 0n && after > 0 && after < sequence;
}

/** A chain that a batch continues. */
function beforeOf({ batch: { position, previous } }: LoggedBatch): Chain {
  return new Chain({ ...position, number: position.number - 1n, digest: previous });
}

/** The batch that continues a chain after its end, whoever has written it; undefined if there is none. @throws as UpdateLog */
export async function continuationOf(
  log: UpdateLog,
  name: string,
  { sequence, position }: ChainEnd,
): Promise<LoggedBatch | undefined> {
  const chain = new Chain(position);
  let found = await log.next(name, sequence);
  while (found !== undefined && chain.judge(found.batch) !== 'next')
    found = await log.next(name, found.sequence);
  return found;
}
