import * as v from 'valibot';
import { options, type Schema } from '../check.ts';

/** Who asks NATS. A user with a password, or a token, can be in the address too. */
export interface NatsCredentials {
  /** The text of a credentials file (JWT and seed). */
  readonly creds?: string | undefined;
  /** Certificates to trust, PEM. */
  readonly ca?: string | undefined;
  /** A certificate to show, and its key, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

const isCreds = (value: unknown): boolean =>
  typeof value === 'string' && /-BEGIN NATS USER JWT-/.test(value) && /-BEGIN USER NKEY SEED-/.test(value);

/** @internal */
export const natsCredentials: Schema<NatsCredentials> = options({
  creds: v.optional(
    v.custom<string>(isCreds, 'the text of a file of credentials of NATS, with a JWT and a seed'),
  ),
  ca: v.optional(v.string()),
  cert: v.optional(v.string()),
  key: v.optional(v.string()),
});
