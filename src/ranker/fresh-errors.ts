// Why entries of tables that take updates do not count.
import { FlexemrError } from '../errors.ts';
import { cacheBehindMsMax } from '../update-limits.ts';

export function cacheBehind(): FlexemrError {
  const message = `the cache leaves out tables that take updates: the stream of updates has not answered for ${cacheBehindMsMax} ms, or is read anew. They are asked of memory nodes until it answers`;
  return new FlexemrError('UNAVAILABLE', message, { field: 'cache' });
}

export function brokenChain(name: string): FlexemrError {
  const message = `the stream of row updates has lost batches that it had acknowledged: chain ${name} is another one now. The cache leaves out bags of this shard until the ranker is opened again`;
  return new FlexemrError('UPDATES_LOST', message, { field: 'cache' });
}
