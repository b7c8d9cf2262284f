import type { IncomingMessage } from 'node:http';
import { FlexemrError } from '../errors.ts';
import { jsonBodiesBytesMax, jsonBytesMax } from '../limits.ts';
import type { Unfinished, UnfinishedRequests } from './unfinished.ts';

/** One body. Its bytes count until `end`. */
export interface JsonBody {
  /** @throws LIMIT_EXCEEDED, OVERLOADED */
  read(request: IncomingMessage, coming: Unfinished): Promise<Buffer>;
  end(): void;
}

/** How many bytes bodies may have, and what clients can do about it. */
export interface BodyLimits {
  /** Of all bodies together. */
  readonly sumBytesMax: number;
  /** Of one body. */
  readonly bytesMax: number;
  /** What to send instead of a body that is too long. */
  readonly instead: string;
}

const lookupLimits: BodyLimits = {
  sumBytesMax: jsonBodiesBytesMax,
  bytesMax: jsonBytesMax,
  instead: 'split the lookup, or send frames',
};

/** The bodies that one worker has received, in part or completely, and has not answered. Their sum is limited. */
export class JsonBodies {
  readonly #unfinished: UnfinishedRequests;
  readonly #limits: BodyLimits;
  #bytes = 0;
  #count = 0;

  /** @param limits default: those of lookups in JSON */
  constructor(unfinished: UnfinishedRequests, limits: BodyLimits = lookupLimits) {
    this.#unfinished = unfinished;
    this.#limits = limits;
  }

  /** Bodies that are not answered yet. */
  get count(): number {
    return this.#count;
  }

  /** @param bytesMax of this body, if it may have fewer than others */
  begin(bytesMax: number = this.#limits.bytesMax): JsonBody {
    let own = 0;
    let ended = false;
    this.#count++;
    const take = (bytes: number): void => {
      // It was cut off. Bytes that still arrive do not count.
      if (ended) return;
      own += bytes;
      this.#take(own, bytes, bytesMax);
    };
    return {
      read: (request, coming) => readBody(request, coming, take),
      end: () => {
        if (ended) return;
        ended = true;
        this.#bytes -= own;
        this.#count--;
      },
    };
  }

  #take(own: number, bytes: number, bytesMax: number): void {
    const { sumBytesMax, instead } = this.#limits;
    this.#bytes += bytes;
    if (own > bytesMax) {
      const message = `the body has more than ${bytesMax} bytes; ${instead}`;
      throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'body', value: own });
    }
    const fits = this.#unfinished.makeRoom(
      () => this.#bytes <= sumBytesMax,
      (there) => !there,
    );
    if (fits) return;
    const message = `requests with ${sumBytesMax} bytes are already held here; try again`;
    throw new FlexemrError('OVERLOADED', message, { field: 'body', value: own });
  }
}

async function readBody(
  request: IncomingMessage,
  coming: Unfinished,
  take: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  // The connection must stay open after an error too, because the error is sent as an answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    take(chunk.length);
    coming.progress(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
