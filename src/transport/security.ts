import { createHash, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { options, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';

/** How a ranker proves its identity and verifies the node. */
export interface ClientSecurity {
  /** Sent as a bearer token. */
  readonly token?: string | undefined;
  /** PEM: certificates to trust, and for mutual TLS the ranker's own certificate and its key. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** How a node proves its identity and verifies its rankers. */
export interface ServerSecurity {
  /** Every request except health checks must carry this as a bearer token. */
  readonly token?: string | undefined;
  /** PEM: a certificate and its key. The node uses TLS if both are given. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** PEM: certificates of which one must have signed each ranker's certificate (mutual TLS). */
  readonly ca?: string | undefined;
}

const credentials = {
  token: v.optional(v.string()),
  cert: v.optional(v.string()),
  key: v.optional(v.string()),
  ca: v.optional(v.string()),
};
/** @internal */
export const clientSecurity: Schema<ClientSecurity> = options(credentials);
/** @internal */
export const serverSecurity: Schema<ServerSecurity> = options(credentials);

/** Whether an Authorization header holds the token. The time that this takes does not depend on where they differ. */
export function tokenMatches(authorization: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${token}`));
}

const loopbackHosts = ['127.0.0.1', '::1', 'localhost'];

/** Refuses a host that others can reach if neither a token nor mutual TLS protects the node. @throws INVALID_OPTION */
export function checkExposure(host: string, security: ServerSecurity, insecure: boolean): void {
  const { token, cert, key, ca } = security;
  if ((cert === undefined) !== (key === undefined) || (ca !== undefined && cert === undefined)) {
    const message = 'TLS needs a certificate and its key; mutual TLS needs both and the CA of the rankers';
    throw new FlexemrError('INVALID_OPTION', message, { field: 'cert' });
  }
  if (loopbackHosts.includes(host) || insecure || token !== undefined || ca !== undefined) return;
  const message = `listening on ${host} lets anyone reach the tables: give a token, a CA for mutual TLS, or --insecure`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'host', value: host });
}
