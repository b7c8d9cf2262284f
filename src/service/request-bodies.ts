import type { IncomingMessage, ServerResponse } from 'node:http';
import { FlexemrError } from '../errors.ts';
import { jsonBytesMax } from '../limits.ts';
import { scoreBytesMax } from '../scoring-limits.ts';
import { JsonBodies, type JsonBody } from '../transport/json-bodies.ts';
import { onResponseEnd } from '../transport/response-timeouts.ts';
import { type Unfinished, UnfinishedRequests } from '../transport/unfinished.ts';
import { HttpError } from './failure.ts';

/** The bodies of requests to score, each of them and all together of limited size. */
export class RequestBodies {
  readonly #unfinished = new UnfinishedRequests();
  readonly #bodies: JsonBodies;

  /** @param sumBytesMax of all bodies together */
  constructor(sumBytesMax: number) {
    const instead = 'split the request, or send large tensors as binary data';
    this.#bodies = new JsonBodies(this.#unfinished, { sumBytesMax, bytesMax: scoreBytesMax, instead });
  }

  /**
   * Reads a body. Its bytes count until the request has been answered.
   * @param isBinary whether more than JSON follows
   * @throws LIMIT_EXCEEDED, OVERLOADED; CANCELLED if the client has left; HttpError if others need its place
   */
  async read(request: IncomingMessage, response: ServerResponse, isBinary: boolean): Promise<Buffer> {
    const body = this.#bodies.begin(isBinary ? scoreBytesMax : jsonBytesMax);
    onResponseEnd(response, () => body.end());
    const cut = Promise.withResolvers<never>();
    const coming = this.#unfinished.begin(() => {
      body.end();
      cut.reject(tooSlow());
    });
    try {
      return await Promise.race([complete(body, request, coming), cut.promise]);
    } finally {
      coming.end();
    }
  }
}

async function complete(body: JsonBody, request: IncomingMessage, coming: Unfinished): Promise<Buffer> {
  try {
    return await body.read(request, coming);
  } catch (error) {
    if (error instanceof FlexemrError) throw error;
    throw new FlexemrError('CANCELLED', 'the request ended before its body', { field: 'body', cause: error });
  }
}

function tooSlow(): HttpError {
  const message = 'the request arrived too slowly, and other requests need its place; send it again';
  return new HttpError(408, 'body', message, { connection: 'close' });
}
