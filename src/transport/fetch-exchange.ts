import { connectMsMax, subrequestMsMax } from '../limits.ts';
import { frameType } from '../wire/media-type.ts';
import { frameLength, wrongLength } from './frame-length.ts';
import { expectEnd } from './late-replies.ts';
import { byProxy } from './proxy.ts';
import { unauthorized, unavailable } from './unavailable.ts';

/** One subrequest by the runtime's own fetch. */
export class FetchExchange {
  readonly #url: string;
  readonly #bytesMax: number;
  readonly #abort = new AbortController();
  /** Bytes of the body that have come; undefined before it begins, and once it has ended. */
  #filled: number | undefined;
  #left = false;

  /** @param bytesMax no right reply is longer */
  constructor(url: string, bytesMax: number) {
    this.#url = url;
    this.#bytesMax = bytesMax;
  }

  /** @returns the reply @throws UNAVAILABLE, UNAUTHORIZED, why it was ended */
  async post(frame: Uint8Array<ArrayBuffer>, headers: Record<string, string>): Promise<Uint8Array> {
    // A worker answers sooner than that, if only that it is too late.
    const timer = setTimeout(
      () => this.end(unavailable(this.#url, `does not answer${byProxy(this.#url)}`)),
      subrequestMsMax + connectMsMax,
    );
    try {
      const target = `${new URL(this.#url).origin}/v1/lookup`;
      const { signal } = this.#abort;
      // Frame and token are for this address, and for no other that it may name.
      const response = await fetch(target, {
        ...{ method: 'POST', headers, body: frame, signal },
        redirect: 'manual',
      });
      const refusal = this.#refusalOf(response);
      if (refusal === undefined) return await this.#read(response);
      // What is left of the body is of no use, and may have no end.
      this.end(refusal);
      throw refusal;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why a response is no reply. */
  #refusalOf({ headers, status, type }: Response): Error | undefined {
    if (status === 401) return unauthorized(this.#url);
    if (type === 'opaqueredirect' || (status >= 300 && status < 400))
      return unavailable(this.#url, 'answers with a redirect, which is not followed');
    if (headers.get('content-type') !== frameType)
      return unavailable(this.#url, `answers HTTP ${status}${byProxy(this.#url)}, and no frame`);
    const length = headers.get('content-length');
    // Some runtimes do not say how long a body is.
    if (length === null || frameLength(length, this.#bytesMax) !== undefined) return undefined;
    return unavailable(this.#url, wrongLength(length, this.#bytesMax));
  }

  async #read({ body }: Response): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    this.#filled = 0;
    if (this.#left) this.#expectEnd();
    try {
      for await (const chunk of body ?? []) {
        bytes += chunk.length;
        this.#filled = bytes;
        if (bytes > this.#bytesMax)
          throw unavailable(this.#url, wrongLength(`${bytes} or more`, this.#bytesMax));
        chunks.push(chunk);
      }
    } finally {
      this.#filled = undefined;
    }
    return joined(chunks, bytes);
  }

  /**
   * Nobody waits for it any more. It goes on: aborted, it would take its connection with it, of which a node that stalls
   * does not hear, and the next one would open another. Only a reply that does not end is given up.
   */
  leave(): void {
    this.#left = true;
    this.#expectEnd();
  }

  #expectEnd(): void {
    expectEnd(
      () => this.#filled,
      () => this.end(unavailable(this.#url, 'does not end its reply')),
    );
  }

  /** Ends it, with its connection. */
  end(reason: Error): void {
    this.#abort.abort(reason);
  }
}

/** Chunks in one piece, at a multiple of 4. */
function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
