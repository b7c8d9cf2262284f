import { connectMsMax, subrequestMsMax } from '../limits.ts';
import { byProxy } from '../proxy.ts';
import { frameType } from '../wire/media-type.ts';
import { frameLength, wrongLength } from './frame-length.ts';
import { expectEnd } from './late-replies.ts';
import { unauthorized, unavailable } from './unavailable.ts';

/** One subrequest that is sent with the runtime's own `fetch`. */
export class FetchExchange {
  readonly #url: string;
  readonly #bytesMax: number;
  readonly #abort = new AbortController();
  /** Bytes of the body received so far. Undefined before the body begins and after it has ended. */
  #filled: number | undefined;
  #left = false;

  /** @param bytesMax length of the longest valid reply */
  constructor(url: string, bytesMax: number) {
    this.#url = url;
    this.#bytesMax = bytesMax;
  }

  /** @returns the reply @throws UNAVAILABLE, UNAUTHORIZED, or the reason that `end` was called with */
  async post(frame: Uint8Array<ArrayBuffer>, headers: Record<string, string>): Promise<Uint8Array> {
    // A worker answers before that, at least with DEADLINE_EXCEEDED.
    const timer = setTimeout(
      () => this.end(unavailable(this.#url, `does not answer${byProxy(this.#url)}`)),
      subrequestMsMax + connectMsMax,
    );
    try {
      const target = `${new URL(this.#url).origin}/v1/lookup`;
      const { signal } = this.#abort;
      // The frame and the token are only for this address, so redirects are not followed.
      const response = await fetch(target, {
        ...{ method: 'POST', headers, body: frame, signal },
        redirect: 'manual',
      });
      const refusal = this.#refusalOf(response);
      if (refusal === undefined) return await this.#read(response);
      // The rest of the body is not needed, and it may have no end.
      this.end(refusal);
      throw refusal;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Why a response is not a reply. Undefined if it is one. */
  #refusalOf({ headers, status, type }: Response): Error | undefined {
    if (status === 401) return unauthorized(this.#url);
    if (type === 'opaqueredirect' || (status >= 300 && status < 400))
      return unavailable(this.#url, 'answers with a redirect, which is not followed');
    if (headers.get('content-type') !== frameType)
      return unavailable(this.#url, `answers HTTP ${status}${byProxy(this.#url)} without a frame`);
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
   * Nobody waits for the reply any more, but the request continues. Aborting it would close its connection. A node that
   * stalls would not notice that, and the next request would open another connection. Only a reply that does not end is
   * aborted.
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

  /** Aborts the request and closes its connection. */
  end(reason: Error): void {
    this.#abort.abort(reason);
  }
}

/** Copies chunks into one buffer, whose address is a multiple of 4. */
function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
