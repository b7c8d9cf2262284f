import type { IncomingMessage } from 'node:http';
import { FlexemrError } from '../errors.ts';
import { jsonBodiesBytesMax, jsonBytesMax } from '../limits.ts';
import type { PortCounts } from './port-stats.ts';
import type { Unfinished, UnfinishedRequests } from './unfinished.ts';

/** One body. Its bytes count until `end`. */
export interface JsonBody {
  /** @throws LIMIT_EXCEEDED, OVERLOADED */
  read(request: IncomingMessage, coming: Unfinished): Promise<Buffer>;
  end(): void;
}

/** The JSON bodies that one worker has received, in part or completely, and has not answered. Their sum is limited. */
export class JsonBodies {
  readonly #unfinished: UnfinishedRequests;
  readonly #counts: PortCounts;
  #bytes = 0;
  #count = 0;

  constructor(unfinished: UnfinishedRequests, counts: PortCounts) {
    this.#unfinished = unfinished;
    this.#counts = counts;
  }

  /** Bodies that are not answered yet. */
  get count(): number {
    return this.#count;
  }

  begin(): JsonBody {
    let own = 0;
    let ended = false;
    this.#count++;
    this.#counts.jsonLookups++;
    const take = (bytes: number): void => {
      this.#counts.bytesReceived += bytes;
      // It was cut off. Bytes that still arrive do not count.
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
    const message = `this worker already holds ${jsonBodiesBytesMax} bytes of JSON lookups; try again, or send frames`;
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
