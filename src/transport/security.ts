import { createHash, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { options, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';

/** How a ranker shows who it is, and knows the node. */
export interface ClientSecurity {
  /** Sent as a bearer token. */
  readonly token?: string | undefined;
  /** PEM: certificates to trust, and for mutual TLS one's own with its key. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** How a node shows who it is, and knows its rankers. */
export interface ServerSecurity {
  /** Required as a bearer token of every request but health checks. */
  readonly token?: string | undefined;
  /** PEM: with both, TLS. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** PEM: rankers must show a certificate that these signed (mutual TLS). */
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

/** Whether an Authorization header holds the token; takes equally long wherever they differ. */
export function tokenMatches(authorization: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${token}`));
}

const loopbackHosts = ['127.0.0.1', '::1', 'localhost'];

/** Refuses to listen in the open without anything that keeps strangers out. @throws INVALID_OPTION */
export function checkExposure(host: string, security: ServerSecurity, insecure: boolean): void {
  const { token, cert, key, ca } = security;
  if ((cert === undefined) !== (key === undefined) || (ca !== undefined && cert === undefined)) {
    const message =
      'TLS needs a certificate and its key (and, for mutual TLS, the CA of the rankers beside them)';
    throw new FlexemrError('INVALID_OPTION', message, { field: 'cert' });
  }
  if (loopbackHosts.includes(host) || insecure || token !== undefined || ca !== undefined) return;
  const message = `listening on ${host} lets anyone reach the tables: give a token, or a CA for mutual TLS, or say --insecure`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'host', value: host });
}
