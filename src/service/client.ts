import type { FastifyReply, FastifyRequest } from 'fastify';
import { FlexemrError } from '../errors.ts';
import type { ScoreRequest } from '../scorer/score-request.ts';
import type { Scores } from '../scorer/score-task.ts';
import type { ScoreOptions } from '../scorer/scorer.ts';
import { onResponseEnd } from '../transport/response-timeouts.ts';
import { HttpError, inWordsOf, type Place } from './failure.ts';
import type { RequestBodies } from './request-bodies.ts';
import type { RequestRecords } from './request-records.ts';
import type { ScoreInputs } from './score-inputs.ts';
import type { Scoring } from './scoring.ts';
import type { Turns } from './turns.ts';

/** What the routes of a service share. */
export interface ServiceRoom {
  readonly scoring: Scoring;
  readonly inputs: ScoreInputs;
  readonly bodies: RequestBodies;
  readonly turns: Turns;
  readonly records: RequestRecords;
  /** Whether requests are scored: the model is open, and the service is not draining. */
  readonly ready: () => boolean;
}

/** A client that waits for scores. */
export class Client {
  readonly #room: ServiceRoom;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #gone = new AbortController();
  /** `performance.now()` when the whole request had arrived. */
  #arrived = 0;

  /** @throws UNAVAILABLE */
  constructor(room: ServiceRoom, request: FastifyRequest, reply: FastifyReply) {
    if (!room.ready())
      throw new FlexemrError('UNAVAILABLE', 'this service is starting or draining; try again');
    this.#room = room;
    this.#request = request;
    this.#reply = reply;
    onResponseEnd(reply.raw, () => {
      if (!reply.raw.writableFinished) this.#gone.abort();
    });
  }

  /**
   * Reads the body of the request.
   * @param types that it may have; undefined: none
   * @param isBinary whether more than JSON follows
   * @throws HttpError, OVERLOADED, and as RequestBodies.read
   */
  async body(types: readonly (string | undefined)[], isBinary: boolean): Promise<Buffer> {
    checkType(this.#request, types);
    this.#room.turns.check();
    const body = await this.#room.bodies.read(this.#request.raw, this.#reply.raw, isBinary);
    this.#arrived = performance.now();
    await this.#room.turns.take();
    return body;
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
    const record = this.#room.records.of(this.#request.raw);
    try {
      const options = { deadline: left, topK, signal: this.#gone.signal, trace: record.trace };
      const scores = await this.#room.scoring.score(request, options);
      record.candidates = scores.candidates;
      return scores;
    } catch (error) {
      throw inWordsOf(error, placeOf);
    }
  }
}

/** @throws HttpError */
function checkType({ headers }: FastifyRequest, types: readonly (string | undefined)[]): void {
  const type = headers['content-type']?.split(';')[0].trim().toLowerCase();
  const wanted = types.filter((each) => each !== undefined).join(' or ');
  if (!types.includes(type))
    throw new HttpError(415, 'content-type', `content-type is ${type ?? 'missing'}: send ${wanted}`);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new HttpError(415, 'content-encoding', `content-encoding is ${encoding}: send bodies as they are`);
}
