// The services that are compared. They differ in how batches are formed, and in where rows come from.
import type { ModelFiles, Service } from './services.ts';

export interface Contender {
  readonly name: string;
  /** Whether it is compared with the first one at every load, because it only forms batches in another way. */
  readonly sameLookup: boolean;
  /** @throws Absent */
  start(files: ModelFiles, sloMs: number): Promise<Service>;
}

/** Ours is the first. */
export const contenders: readonly Contender[] = [
  { name: 'flexemr', sameLookup: true, start: (files) => files.overNodes('flexemr') },
  ...[1, 16, 128].map(fixedBatches),
  { name: 'one process', sameLookup: false, start: (files) => files.inOneProcess('one process') },
  { name: 'Redis', sameLookup: false, start: (files) => files.overRedis('Redis') },
];

/**
 * Batches of exactly this size. A request waits at most a quarter of the objective for others, because at a low load a
 * batch of 128 would not be full in time.
 */
function fixedBatches(size: number): Contender {
  const name = `batches of ${size}`;
  return {
    name,
    sameLookup: true,
    start: (files, sloMs) => {
      const batches = ['--batch-candidates', String(size), '--batch-delay', String(sloMs / 4)];
      return files.overNodes(name, batches);
    },
  };
}
