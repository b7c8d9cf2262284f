// Pages of any site can send requests to addresses that the site's name is bound to anew (DNS rebinding): to this machine
// too. Their Host is the name of the site, so a node that asks for no token answers none but names that no site can have.
import { isIP } from 'node:net';
import * as v from 'valibot';
import type { Schema } from '../check.ts';

const isHostName = (value: unknown): boolean => typeof value === 'string' && /^[\w.-]+$/.test(value);

/** Names beside the machine's own that requests may be for. @internal */
export const allowedHosts: Schema<string[]> = v.array(
  v.custom<string>(isHostName, 'a host name without a port, such as node-a.example'),
);

/** Whether a request is for this machine: by an address, a name without a dot, `localhost`, or an allowed name. */
export function isOwnHost(host: string | undefined, allowed: readonly string[]): boolean {
  if (host === undefined) return true;
  const name = host.replace(/:\d*$/, '').toLowerCase().replace(/\.$/, '');
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  // The names of sites have dots.
  if (!name.includes('.') || name.endsWith('.localhost')) return true;
  return allowed.some((own) => own.toLowerCase() === name);
}
