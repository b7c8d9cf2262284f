// Protects against DNS rebinding: a site can bind its name to the address of this machine, and then its pages can send
// requests here. The Host of such a request is the name of the site. So a node that asks for no token only answers to
// names that no site can have, and to names that it was told to allow.
import { isIP } from 'node:net';
import * as v from 'valibot';
import type { Schema } from '../check.ts';

const isHostName = (value: unknown): boolean => typeof value === 'string' && /^[\w.-]+$/.test(value);

/** Names, in addition to the machine's own, that requests may be for. @internal */
export const allowedHosts: Schema<string[]> = v.array(
  v.custom<string>(isHostName, 'a host name without a port, such as node-a.example'),
);

/** Whether a request is for this machine: its Host is an address, a name without a dot, in `localhost`, or allowed. */
export function isOwnHost(host: string | undefined, allowed: readonly string[]): boolean {
  if (host === undefined) return true;
  const name = host.replace(/:\d*$/, '').toLowerCase().replace(/\.$/, '');
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  // The names of sites have dots.
  if (!name.includes('.') || name.endsWith('.localhost')) return true;
  return allowed.some((own) => own.toLowerCase() === name);
}
