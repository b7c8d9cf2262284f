import { FileShards } from '../../src/host/file-shards.ts';
import { LoadedReleases } from '../../src/host/loaded-releases.ts';

/** What a node with one worker has loaded, which takes row updates. */
export function updatedReleases(): LoadedReleases {
  const options = { node: 'n0', workers: 1, takesUpdates: true };
  return new LoadedReleases(options, new FileShards(options));
}
