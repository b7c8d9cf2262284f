import type { IncomingMessage } from 'node:http';
import { FlexemrError } from '../errors.ts';
import { jsonBodiesBytesMax, jsonBytesMax } from '../limits.ts';
import type { Unfinished, UnfinishedRequests } from './unfinished.ts';

/** One body: its bytes count until `end`. */
export interface JsonBody {
  /** @throws LIMIT_EXCEEDED, OVERLOADED */
  read(request: IncomingMessage, coming: Unfinished): Promise<Buffer>;
  end(): void;
}

/** The JSON bodies of one worker that have come, in part or whole, and are not answered yet: so many bytes in all. */
export class JsonBodies {
  readonly #unfinished: UnfinishedRequests;
  #bytes = 0;
  #count = 0;

  constructor(unfinished: UnfinishedRequests) {
    this.#unfinished = unfinished;
  }

  /** Bodies that are not answered yet. */
  get count(): number {
    return this.#count;
  }

  begin(): JsonBody {
    let own = 0;
    let ended = false;
    this.#count++;
    const take = (bytes: number): void => {
      // It was cut off, and what still comes of it is dropped.
      if (ended) return;
      own += bytes;
      this.#take(own, bytes);
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

  #take(own: number, bytes: number): void {
    this.#bytes += bytes;
    if (own > jsonBytesMax) {
      const message = `the body has more than ${jsonBytesMax} bytes; split the lookup, or send frames`;
      throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'body', value: own });
    }
    const fits = this.#unfinished.makeRoom(
      () => this.#bytes <= jsonBodiesBytesMax,
      (there) => !there,
    );
    if (fits) return;
    const message = `this worker holds ${jsonBodiesBytesMax} bytes of lookups in JSON; try again, or send frames`;
    throw new FlexemrError('OVERLOADED', message, { field: 'body', value: own });
  }
}

async function readBody(
  request: IncomingMessage,
  coming: Unfinished,
  take: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  // Whatever comes of it is answered: the connection stays.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    take(chunk.length);
    coming.progress(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
