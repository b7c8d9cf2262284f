import * as v from 'valibot';
import { options, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { type NatsCredentials, natsCredentials } from '../nats/credentials.ts';
import { UpdateStream } from '../nats/update-stream.ts';
import type { UpdateLog } from '../updates/update-log.ts';

/** Where row updates come from. Plain data: the thread that writes rows opens it. */
export type UpdateLogChoice = NatsUpdates | ModuleUpdates;

/** The stream of a cluster in NATS. */
export interface NatsUpdates {
  /** nats://HOST:PORT/BUCKET. */
  readonly nats: string;
  readonly credentials?: NatsCredentials | undefined;
}

/** A log of one's own: a module whose function `openUpdateLog(data)` gives an UpdateLog. */
export interface ModuleUpdates {
  /** URL of the module. */
  readonly module: string;
  /** Anything that can be sent to a thread. */
  readonly data?: unknown;
}

/** @internal */
export const updateLogChoice: Schema<UpdateLogChoice> = v.union([
  options({ nats: v.string(), credentials: v.optional(natsCredentials) }),
  options({ module: v.string(), data: v.optional(v.unknown()) }),
]) as Schema<UpdateLogChoice>;

/** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
export async function openUpdateLog(choice: UpdateLogChoice): Promise<UpdateLog> {
  if ('nats' in choice) return await UpdateStream.open(choice.nats, choice.credentials, { create: true });
  const { openUpdateLog: open } = await import(choice.module);
  if (typeof open === 'function') return await open(choice.data);
  const message = `updates: module ${choice.module} has no function openUpdateLog`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'updates', value: choice.module });
}
