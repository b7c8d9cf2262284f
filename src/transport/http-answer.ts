import type { ServerResponse } from 'node:http';
import { FlexemrError } from '../errors.ts';
import { httpStatusOf, statusOf } from '../wire/status.ts';

/** The text format of Prometheus. */
export const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

/** @param type its content-type */
export function sendText(response: ServerResponse, status: number, type: string, text: string): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(text);
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length });
  response.end(bytes);
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  sendText(response, status, 'application/json', `${JSON.stringify(body)}\n`);
}

/** Sends an error as JSON: code, message, field, position. @param as the HTTP status; default: that of the code */
export function sendError(response: ServerResponse, error: unknown, as?: number): void {
  const known = error instanceof FlexemrError;
  if (!known) process.emitWarning(error instanceof Error ? error : String(error));
  const { code, message, field, position } = known
    ? error
    : new FlexemrError('NODE_FAILED', 'the memory node failed; its log says why', { cause: error });
  const status = as ?? httpStatusOf(statusOf(code));
  if (status === 429 || status === 503) response.setHeader('retry-after', 1);
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  sendJson(response, status, { error: { code, message, field, position } });
}
