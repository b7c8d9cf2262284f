import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FlexemrError } from '../errors.ts';
import { unreadIdentity } from '../wire/frame-identity.ts';
import { type Handler, type Inbox, isOverloaded } from '../wire/handler.ts';
import { HEADER_BYTES, REPLY_STATUS } from '../wire/layout.ts';
import { frameType } from '../wire/media-type.ts';
import { Slices } from '../wire/slices.ts';
import { httpStatusOf } from '../wire/status.ts';
import { parseTraceparent } from '../wire/traceparent.ts';
import { sendError, sendJson } from './http-answer.ts';
import type { JsonBodies } from './json-bodies.ts';
import { parseJson } from './json-parser.ts';
import { jsonPieces } from './json-writer.ts';
import type { PortCounts } from './port-stats.ts';
import { ReplyWriter } from './reply-writer.ts';
import { onResponseEnd } from './response-timeouts.ts';
import type { UnfinishedRequests } from './unfinished.ts';

/** What all lookups of a worker over HTTP share. */
export interface LookupRoom {
  readonly handler: Handler;
  readonly unfinished: UnfinishedRequests;
  readonly jsonBodies: JsonBodies;
  readonly counts: PortCounts;
}

/** `POST /v1/lookup`: answers a frame with a frame, and JSON with JSON. */
export function answerLookup(room: LookupRoom, request: IncomingMessage, response: ServerResponse): void {
  const type = request.headers['content-type']?.split(';')[0].trim();
  if (type === frameType) answerFrame(room, request, response);
  else if (type === 'application/json') void answerJson(room, request, response);
  else {
    const message = `content-type is ${type ?? 'missing'}: send ${frameType} or application/json`;
    sendJson(response, 415, { error: { code: 'INVALID_OPTION', message, field: 'content-type' } });
  }
}

function answerFrame(room: LookupRoom, request: IncomingMessage, response: ServerResponse): void {
  const { handler, unfinished, counts } = room;
  const bytes = Number(request.headers['content-length']);
  if (!Number.isSafeInteger(bytes)) {
    sendJson(response, 411, {
      error: { code: 'INVALID_FRAME', message: 'content-length is missing: send it' },
    });
    return;
  }
  const inbox = unfinished.makeRoom(() => handler.admit(bytes), isOverloaded);
  if ('code' in inbox) {
    // The rest of the request is not needed, so it is discarded.
    request.resume();
    sendFrame(response, handler.refuse(unreadIdentity, inbox), counts);
  } else receive(inbox, room, request, response);
}

function receive(
  inbox: Inbox,
  { unfinished: requests, counts }: LookupRoom,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  let filled = 0;
  let isCutOff = false;
  const unfinished = requests.begin(() => {
    isCutOff = true;
    inbox.release();
    cutOff(request, response);
  });
  onResponseEnd(response, () => {
    unfinished.end();
    inbox.release();
  });
  request.on('data', (chunk: Uint8Array) => {
    counts.bytesReceived += chunk.length;
    // Another request may use its memory by now.
    if (isCutOff) return;
    inbox.frame.set(chunk, filled);
    filled += chunk.length;
    unfinished.progress(chunk.length);
  });
  request.on('end', () => {
    unfinished.end();
    if (!isCutOff && filled === inbox.frame.length)
      inbox.answer((reply) => sendFrame(response, reply, counts));
  });
}

/** Ends a request that arrives too slowly, because other requests need its place. */
function cutOff(request: IncomingMessage, response: ServerResponse): void {
  const message = 'the request arrived too slowly, and other requests need its place; send it again';
  sendJson(response, 408, { error: { code: 'UNAVAILABLE', message, field: 'body' } });
  request.socket.destroySoon();
}

/** Sends a reply, with the HTTP status for the status in its header. */
function sendFrame(response: ServerResponse, reply: Uint8Array, counts: PortCounts): void {
  const words = new Uint32Array(reply.buffer, reply.byteOffset, HEADER_BYTES >>> 2);
  const status = httpStatusOf(words[REPLY_STATUS >>> 2]);
  const headers: Record<string, string | number> = {
    'content-type': frameType,
    'content-length': reply.length,
  };
  if (status === 429 || status === 503) headers['retry-after'] = 1;
  response.writeHead(status, headers);
  new ReplyWriter(response, counts).end(reply);
}

async function answerJson(
  { handler, unfinished, jsonBodies, counts }: LookupRoom,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = jsonBodies.begin();
  counts.jsonLookups++;
  const coming = unfinished.begin(() => {
    body.end();
    counts.jsonErrors.add('UNAVAILABLE');
    cutOff(request, response);
  });
  try {
    const bytes = await body.read(request, coming);
    counts.bytesReceived += bytes.length;
    coming.end();
    const slices = new Slices();
    const trace = parseTraceparent(request.headers.traceparent);
    const answer = await handler.lookupJson(await parseJson(bytes, slices), slices, trace);
    // Nobody reads it any more.
    if (response.destroyed) return;
    await sendPieces(response, await jsonPieces(answer, slices), counts);
  } catch (error) {
    // A client that has left before it sent the whole request needs no answer.
    if (response.headersSent || (!request.complete && request.destroyed)) return;
    counts.jsonErrors.add(error instanceof FlexemrError ? error.code : 'NODE_FAILED');
    sendError(response, error);
  } finally {
    coming.end();
    body.end();
  }
}

/** Sends a body of several pieces, as fast as the client reads it. */
async function sendPieces(
  response: ServerResponse,
  pieces: readonly Buffer[],
  counts: PortCounts,
): Promise<void> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  counts.bytesSent += length;
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
  await pipeline(Readable.from(pieces), response);
}
