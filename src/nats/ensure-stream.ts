import { natsReplicasDefault } from '../cluster-limits.ts';
import type { NatsAddress } from './address.ts';
import { type Connection, isAbsent } from './connection.ts';

export type StreamConfig = Parameters<Awaited<ReturnType<Connection['manager']>>['streams']['add']>[0];

/**
 * Creates a stream, unless it is there. @param what it is, for errors
 * @returns the configuration of one that was there @throws UNAVAILABLE, UNAUTHORIZED, INVALID_OPTION
 */
export async function ensureStream(
  connection: Connection,
  { replicas }: NatsAddress,
  what: string,
  config: StreamConfig,
): Promise<Partial<StreamConfig> | undefined> {
  const manager = await connection.manager();
  const found = await connection.ask(`cannot see the ${what}`, () =>
    manager.streams.info(config.name).catch((error: Error) => {
      if (isAbsent(error)) return undefined;
      throw error;
    }),
  );
  if (found !== undefined) return found.config;
  const num_replicas = replicas ?? ((await connection.server()).isClustered ? natsReplicasDefault : 1);
  await connection.ask(`cannot create the ${what} with ${num_replicas} replicas (?replicas=N)`, () =>
    manager.streams.add({ ...config, num_replicas }),
  );
  return undefined;
}
