import type { ChainEnd } from './batch.ts';
import { Chain } from './chain.ts';
import type { LoggedBatch, UpdateLog } from './update-log.ts';

/**
 * Where a chain ends. The batch that was written last may have lost a race. Its writer has seen an end of the chain, so what follows
 * from there says which batch was first. @returns undefined if the chain has no batch @throws as UpdateLog
 */
export async function endOf(log: UpdateLog, name: string): Promise<ChainEnd | undefined> {
  const last = await log.last(name);
  if (last === undefined) return undefined;
  const { position, previous, after } = last.batch;
  // Nothing is between them.
  if (after === last.sequence - 1) return { sequence: last.sequence, position };
  const chain = new Chain({ ...position, number: position.number - 1n, digest: previous });
  for (let at = Math.min(after, last.sequence - 1); at < last.sequence; ) {
    const found = await log.next(name, at);
    // It was lost meanwhile.
    if (found === undefined) return await endOf(log, name);
    at = found.sequence;
    if (chain.judge(found.batch) === 'next') chain.advance(found.batch.position);
  }
  return { sequence: last.sequence, position: chain.position };
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
