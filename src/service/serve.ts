// Routes of a Fastify app, and the answers that all of them give alike.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { type ErrorForm, failureOf, HttpError } from './failure.ts';
import type { RequestRecords } from './request-records.ts';

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** Adds a route. Other methods at its path get 405. */
export function serve(app: FastifyInstance, method: 'GET' | 'POST', url: string, handler: Handler): void {
  app.route({ method, url, handler });
  const allowed = method === 'GET' ? ['GET', 'HEAD'] : [method];
  const refuse = async (request: FastifyRequest): Promise<never> => {
    const message = `${request.method} is not allowed here; use ${method}`;
    throw new HttpError(405, 'method', message, { allow: allowed.join(', ') });
  };
  const others = app.supportedMethods.filter((each) => !allowed.includes(each)) as HTTPMethods[];
  app.route({ method: others, url, onRequest: refuse, handler: refuse });
}

/** Answers all errors of an app, also for paths that do not exist. */
export function answerErrors(app: FastifyInstance, form: ErrorForm, records: RequestRecords): void {
  app.setErrorHandler((error, _request, reply) => sendFailure(reply, error, form, records));
  app.setNotFoundHandler((request, reply) => sendFailure(reply, nothingAt(request), form, records));
}

function nothingAt({ method, url }: FastifyRequest): HttpError {
  return new HttpError(404, 'url', `${method} ${url} does not exist; GET /openapi.json lists what does`);
}

export function sendFailure(
  reply: FastifyReply,
  error: unknown,
  form: ErrorForm,
  records: RequestRecords,
): FastifyReply {
  const failure = failureOf(error);
  records.of(reply.request.raw).failed(failure);
  const { status, body } = form(failure);
  return sendJson(reply.headers(failure.headers), status, body);
}

export function sendJson(reply: FastifyReply, status: number, body: object): FastifyReply {
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  return reply.code(status).header('content-type', 'application/json').send(text);
}

/** Sends a body of several pieces, as fast as the client reads it. */
export function sendPieces(
  reply: FastifyReply,
  headers: Readonly<Record<string, string | number>>,
  pieces: readonly Buffer[],
): FastifyReply {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const body = pieces.length === 1 ? pieces[0] : Readable.from(pieces);
  return reply.headers({ ...headers, 'content-length': length }).send(body);
}
