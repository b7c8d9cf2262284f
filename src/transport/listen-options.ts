import * as v from 'valibot';
import { integer, type Optional } from '../check.ts';
import { portMax, stuckMsMax, stuckMsMin } from '../limits.ts';
import { allowedOrigin } from './cross-origin.ts';
import { allowedHosts } from './host-check.ts';
import { type ServerSecurity, serverSecurity } from './security.ts';

/** Where a node or a service listens, and who may ask. */
export interface ListenOptions {
  /** Default 127.0.0.1. Addresses other than loopback need a token, mutual TLS, or `insecure`. */
  readonly host?: string | undefined;
  /** 0 (default): any free port. */
  readonly port?: number | undefined;
  readonly security?: ServerSecurity | undefined;
  readonly insecure?: boolean | undefined;
  /** Pages of this origin may send requests (CORS): `https://app.example`, or `*`. Default: none. */
  readonly allowOrigin?: string | undefined;
  /** More host names that a server without a token accepts. It always accepts addresses and names without a dot. */
  readonly allowHosts?: readonly string[] | undefined;
  /** Ms that a peer may take for a request, a frame or a reply before it is cut off. Default and maximum: 10 s. */
  readonly stuckMs?: number | undefined;
}

type Fields = { readonly [Name in keyof ListenOptions]-?: Optional<Exclude<ListenOptions[Name], undefined>> };

/** @internal */
export const listenFields: Fields = {
  host: v.optional(v.pipe(v.string(), v.nonEmpty('a host name or an address'))),
  port: v.optional(integer(0, portMax)),
  security: v.optional(serverSecurity),
  insecure: v.optional(v.boolean()),
  allowOrigin: v.optional(allowedOrigin),
  allowHosts: v.optional(allowedHosts),
  stuckMs: v.optional(integer(stuckMsMin, stuckMsMax)),
};
