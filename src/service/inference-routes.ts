// The Open Inference Protocol, version 2, over HTTP.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { show } from '../errors.ts';
import type { ModelSignature } from '../model/model.ts';
import { Slices } from '../wire/slices.ts';
import { Client, type ServiceRoom } from './client.ts';
import { HttpError, inferenceError } from './failure.ts';
import { checkOutputs, inferReply } from './infer-reply.ts';
import { inferRequest, jsonLengthHeader } from './infer-request.ts';
import { modelMetadata, serverMetadata } from './metadata.ts';
import { answerErrors, sendJson, sendPieces, serve } from './serve.ts';

/** Without a content-type: Triton's client sends none. */
const types = ['application/json', 'application/octet-stream', undefined];

/** Adds the routes of the protocol to an app whose prefix is `/v2`. @param version of the server */
export function inferenceRoutes(app: FastifyInstance, room: ServiceRoom, version: string): void {
  const { signature } = room.scoring;
  answerErrors(app, inferenceError, room.records);
  serve(app, 'GET', '/', (_request, reply) => sendJson(reply, 200, serverMetadata(version)));
  serve(app, 'GET', '/health/live', (_request, reply) => sendJson(reply, 200, { live: true }));
  serve(app, 'GET', '/health/ready', (_request, reply) => sendReady(reply, room, {}));
  for (const path of ['/models/:model', '/models/:model/versions/:version']) {
    serve(app, 'GET', path, (request, reply) => {
      checkModel(request, signature);
      return sendJson(reply, 200, modelMetadata(signature));
    });
    serve(app, 'GET', `${path}/ready`, (request, reply) => {
      checkModel(request, signature);
      return sendReady(reply, room, { name: signature.name });
    });
    serve(app, 'POST', `${path}/infer`, (request, reply) => infer(room, request, reply));
  }
}

function sendReady(reply: FastifyReply, { ready }: ServiceRoom, more: object): FastifyReply {
  const isReady = ready();
  return sendJson(reply, isReady ? 200 : 503, { ...more, ready: isReady });
}

/** @throws HttpError if the path names another model or version */
function checkModel({ params }: FastifyRequest, { name, version }: ModelSignature): void {
  const asked = params as { readonly model: string; readonly version?: string };
  if (asked.model !== name)
    throw new HttpError(404, 'url', `there is no model ${show(asked.model)}, but ${show(name)}`);
  if (asked.version !== undefined && asked.version !== version) {
    const message = `there is no version ${show(asked.version)} of ${show(name)}, but ${show(version)}`;
    throw new HttpError(404, 'url', message);
  }
}

async function infer(room: ServiceRoom, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { signature } = room.scoring;
  checkModel(request, signature);
  const client = new Client(room, request, reply);
  const jsonLength = request.headers[jsonLengthHeader] as string | undefined;
  const body = await client.body(types, jsonLength !== undefined);
  const slices = new Slices();
  const asked = await inferRequest(body, jsonLength, slices);
  checkOutputs(asked, signature);
  const named = await room.inputs.requestOf(asked.inputs, slices);
  const scores = await client.score(named.request, asked, (array, position) => {
    const field = named.tensorOf(array);
    return field === undefined ? undefined : { field, position };
  });
  const { headers, pieces } = await inferReply(scores, asked, signature, slices);
  return sendPieces(reply, headers, pieces);
}
