import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseJson } from '../transport/json-parser.ts';
import { jsonPieces } from '../transport/json-writer.ts';
import { Slices } from '../wire/slices.ts';
import { Client, type ServiceRoom } from './client.ts';
import { rankAnswer } from './rank-answer.ts';
import { rankCall } from './rank-call.ts';
import { sendPieces } from './serve.ts';

/** `POST /v1/rank`. */
export async function rank(
  room: ServiceRoom,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { signature } = room.scoring;
  const client = new Client(room, request, reply);
  const body = await client.body(['application/json'], false);
  const slices = new Slices();
  const call = await rankCall(await parseJson(body, slices), signature, slices);
  const { deadline, k: topK } = call;
  const scores = await client.score(call.request, { deadline, topK }, call.placeOf);
  const pieces = await jsonPieces(await rankAnswer(scores, call, signature, slices), slices);
  return sendPieces(reply, { 'content-type': 'application/json' }, pieces);
}
