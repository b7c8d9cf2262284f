import { FlexemrError } from '../errors.ts';
import { workspaceBytesMax } from '../limits.ts';
import { Workspace } from '../lookup/workspace.ts';
import type { CachedTables } from './cached-tables.ts';
import type { RankerOptions } from './ranker-options.ts';

/** The memory of a ranker's lookups. @param cached tables of its cache @param bytes of the cache @throws OUT_OF_MEMORY */
export function workspaceOf(
  { module, workspaceBytes = workspaceBytesMax, adaptive }: RankerOptions,
  cached: CachedTables,
  bytes: number,
): Workspace {
  try {
    const settings = cached.settings(bytes, adaptive?.ceilingBytes ?? bytes);
    return new Workspace({ module, shared: false }, workspaceBytes, settings);
  } catch (cause) {
    const message = `there is no memory for lookups and a cache of ${bytes} bytes: make the cache smaller`;
    throw new FlexemrError('OUT_OF_MEMORY', message, { field: 'cache', value: bytes, cause });
  }
}
