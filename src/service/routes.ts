// The routes of a scoring service. Sockets, tokens and TLS belong to the port in front of them.
import { readFileSync } from 'node:fs';
import { maxHeaderSize } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { FlexemrError } from '../errors.ts';
import { packageFile, packageVersion } from '../kernel/files.ts';
import { scoreBodiesBytesMax } from '../scoring-limits.ts';
import { inferenceError, plainError } from './failure.ts';
import { inferenceRoutes } from './inference-routes.ts';
import { loadFastify } from './load-fastify.ts';
import { rank } from './rank-route.ts';
import { RequestBodies } from './request-bodies.ts';
import { RequestRecords } from './request-records.ts';
import { ScoreInputs } from './score-inputs.ts';
import type { Scoring } from './scoring.ts';
import { answerErrors, sendFailure, sendJson, serve } from './serve.ts';
import { Turns } from './turns.ts';

export interface RoutesOptions {
  /** Whether requests are scored: the model is open, and the service is not draining. Default: always. */
  readonly ready?: (() => boolean) | undefined;
  /** Bytes of all bodies that were received and not answered yet. Default: scoreBodiesBytesMax. */
  readonly bodiesBytes?: number | undefined;
  /** Default: nobody hears of requests. */
  readonly records?: RequestRecords | undefined;
  /** What the cluster serves whose tables are looked up. Default: there is no cluster. */
  readonly cluster?: (() => Promise<object>) | undefined;
}

/**
 * Opens the routes of a service: the Open Inference Protocol, `POST /v1/rank`, `GET /v1/cluster` and `GET /openapi.json`.
 * @returns a Fastify instance, whose `routing(request, response)` answers a request of any HTTP server
 * @throws MISSING_DEPENDENCY; INVALID_OPTION if inputs of the model have names that tensors cannot have
 */
export async function openRoutes(
  scoring: Scoring,
  {
    ready = () => true,
    bodiesBytes = scoreBodiesBytesMax,
    records = new RequestRecords(),
    cluster,
  }: RoutesOptions = {},
): Promise<FastifyInstance> {
  const fastify = await loadFastify();
  const inputs = new ScoreInputs(scoring.signature);
  const room = {
    scoring,
    inputs,
    bodies: new RequestBodies(bodiesBytes),
    turns: new Turns(),
    records,
    ready,
  };
  const app = fastify({
    // Names of models may be as long as a request's path.
    routerOptions: { maxParamLength: maxHeaderSize },
    frameworkErrors: (error, request, reply) =>
      void sendFailure(reply, error, request.url.startsWith('/v2') ? inferenceError : plainError, records),
  });
  // Handlers read bodies themselves, in slices, and only if everything before the body is right.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  await app.register(async (v2) => inferenceRoutes(v2, room, packageVersion()), { prefix: '/v2' });
  answerErrors(app, plainError, records);
  serve(app, 'POST', '/v1/rank', (request, reply) => rank(room, request, reply));
  serve(app, 'GET', '/v1/cluster', async (_request, reply) => {
    return sendJson(reply, 200, { cluster: await clusterStatus(cluster) });
  });
  const openapi = readFileSync(packageFile('../../docs/openapi-rank.json', import.meta.url));
  serve(app, 'GET', '/openapi.json', (_request, reply) => reply.type('application/json').send(openapi));
  await app.ready();
  return app;
}

/** @throws UNAVAILABLE whatever is wrong with the cluster: lookups go on */
async function clusterStatus(cluster: RoutesOptions['cluster']): Promise<object | undefined> {
  try {
    return await cluster?.();
  } catch (cause) {
    const message = `the cluster cannot be read: ${(cause as Error).message}`;
    throw new FlexemrError('UNAVAILABLE', message, { field: 'cluster', cause: cause as Error });
  }
}
