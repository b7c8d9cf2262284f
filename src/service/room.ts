// What the routes of a service share.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { FlexemrError } from '../errors.ts';
import { onResponseEnd } from '../transport/response-timeouts.ts';
import { type ErrorForm, failureOf, HttpError, inWordsOf, type Place } from './failure.ts';
import type { RequestBodies } from './request-bodies.ts';
import type { RequestRecord } from './request-record.ts';
import type { RequestRecords } from './request-records.ts';
import type { ScoreInputs } from './score-inputs.ts';
import type { ScoreOptions, ScoreRequest, Scores, Scoring } from './scoring.ts';

export interface ServiceRoom {
  readonly scoring: Scoring;
  readonly inputs: ScoreInputs;
  readonly bodies: RequestBodies;
  readonly records: RequestRecords;
  /** Whether requests are scored: the model is open, and the service is not draining. */
  readonly ready: () => boolean;
}

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
  return reply.headers({ ...headers, 'content-length': length }).send(Readable.from(pieces));
}

/** @throws UNAVAILABLE */
export function checkReady({ ready }: ServiceRoom): void {
  if (!ready()) throw new FlexemrError('UNAVAILABLE', 'this service is starting or draining; try again');
}

/** @param types that a body may have @throws HttpError */
export function checkType({ headers }: FastifyRequest, types: readonly (string | undefined)[]): void {
  const type = headers['content-type']?.split(';')[0].trim().toLowerCase();
  const wanted = types.filter((each) => each !== undefined).join(' or ');
  if (!types.includes(type))
    throw new HttpError(415, 'content-type', `content-type is ${type ?? 'missing'}: send ${wanted}`);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new HttpError(415, 'content-encoding', `content-encoding is ${encoding}: send bodies as they are`);
}

/** A client that waits for scores. */
export class Client {
  readonly #scoring: Scoring;
  readonly #record: RequestRecord;
  readonly #gone = new AbortController();
  /** `performance.now()` when the whole request had arrived. */
  #arrived = 0;

  constructor({ scoring, records }: ServiceRoom, request: FastifyRequest, { raw }: FastifyReply) {
    this.#scoring = scoring;
    this.#record = records.of(request.raw);
    onResponseEnd(raw, () => this.#gone.abort());
  }

  arrived(): void {
    this.#arrived = performance.now();
  }

  /**
   * Scores a request for as long as the client waits. A deadline begins when the request has arrived.
   * @param placeOf where the client gave what an error names
   */
  async score(
    request: ScoreRequest,
    { deadline, topK }: Pick<ScoreOptions, 'deadline' | 'topK'>,
    placeOf: (field: string, position: number | undefined) => Place | undefined,
  ): Promise<Scores> {
    const left = deadline && Math.max(1, deadline - (performance.now() - this.#arrived));
    const options = { deadline: left, topK, signal: this.#gone.signal, trace: this.#record.trace };
    try {
      const scores = await this.#scoring.score(request, options);
      this.#record.candidates = scores.candidates;
      return scores;
    } catch (error) {
      throw inWordsOf(error, placeOf);
    }
  }
}
