import { natsAttemptMs, natsReplicasDefault } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import type { NatsAddress } from './address.ts';
import { type Connection, isAbsent } from './connection.ts';

export type StreamConfig = Parameters<Awaited<ReturnType<Connection['manager']>>['streams']['add']>[0];

/** Codes of JetStream for a stream whose name or subjects another one has. */
const isTaken = [10_058, 10_065];
/** Looks for a stream that somebody else creates at the same time. */
const looksMax = 10;

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
  const look = (): Promise<{ readonly config: Partial<StreamConfig> } | undefined> =>
    connection.ask(`cannot see the ${what}`, () =>
      manager.streams.info(config.name).catch((error: Error) => {
        if (isAbsent(error)) return undefined;
        throw error;
      }),
    );
  const found = await look();
  if (found !== undefined) return found.config;
  const num_replicas = replicas ?? ((await connection.server()).isClustered ? natsReplicasDefault : 1);
  try {
    await connection.ask(`cannot create the ${what} with ${num_replicas} replicas (?replicas=N)`, () =>
      manager.streams.add({ ...config, num_replicas }),
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof FlexemrError) || !isTaken.includes(codeOf(error))) throw error;
    // Somebody else was first. The server may refuse a second one before it shows the first.
    for (let looks = 0; looks < looksMax; looks++) {
      const other = await look();
      if (other !== undefined) return other.config;
      await new Promise((done) => setTimeout(done, natsAttemptMs / looksMax));
    }
    throw error;
  }
}

/** What JetStream says, as a number. 0: it says nothing. */
function codeOf({ cause }: FlexemrError): number {
  return (cause as { readonly code?: number } | undefined)?.code ?? 0;
}
