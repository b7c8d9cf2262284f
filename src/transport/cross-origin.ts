// Pages of one other origin may ask: what browsers want to hear (https://fetch.spec.whatwg.org/#http-cors-protocol).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { FlexemrError, show } from '../errors.ts';
import { preflightSeconds } from '../limits.ts';

/** `https://app.example`, or `*` for all. @throws INVALID_OPTION */
export function checkOrigin(origin: string | undefined): void {
  if (origin === undefined || origin === '*') return;
  if (/^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin) return;
  const message = `allowOrigin = ${show(origin)} must be an origin, scheme, host and port, such as https://app.example, or *`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'allowOrigin', value: origin });
}

/** Says on a response who may read it. @returns whether this answers the request: a browser only asks if it may ask */
export function allowOrigin(origin: string, request: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader('access-control-allow-origin', origin);
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined)
    return false;
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': 'authorization, content-type',
    'access-control-max-age': String(preflightSeconds),
  });
  response.end();
  return true;
}
