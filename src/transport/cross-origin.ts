// CORS: pages of one other origin may send requests (https://fetch.spec.whatwg.org/#http-cors-protocol).
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import type { Schema } from '../check.ts';
import { preflightSeconds } from '../limits.ts';

/** `https://app.example`, or `*` for all. @internal */
export const allowedOrigin: Schema<string> = v.custom<string>(
  isOrigin,
  'an origin, scheme, host and port, such as https://app.example, or *',
);

function isOrigin(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  return value === '*' || (/^https?:/.test(value) && URL.canParse(value) && new URL(value).origin === value);
}

/** Headers of requests to nodes and of the Open Inference Protocol, which pages may send or read. */
const requestHeaders = 'authorization, content-type, traceparent, inference-header-content-length';
const answerHeaders = 'inference-header-content-length, retry-after';

/** Sets on a response which pages may read it. @returns whether the request was a preflight, which is now answered */
export function allowOrigin(origin: string, request: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', answerHeaders);
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined)
    return false;
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': requestHeaders,
    'access-control-max-age': String(preflightSeconds),
  });
  response.end();
  return true;
}
