import * as v from 'valibot';
import { check, checkFields, httpAddress, integer, options } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { routingCharsMax, routingFetchMsMax, routingPollMsMax, routingUrlPollMs } from '../limits.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import { byProxy } from '../proxy.ts';
import { textOf } from '../transport/body-text.ts';
import { type Polled, polled, routingFormat } from './polled.ts';

export interface HttpRoutingOptions {
  /** Ms between two requests while watching. Default 1000. */
  readonly pollMs?: number | undefined;
}

/**
 * A routing source that reads JSON from an http:// or https:// address. Watching polls the address. If the server gives
 * an ETag, the next request carries it, and the server may answer 304. Reading throws UNAVAILABLE if the request fails.
 * @throws INVALID_OPTION
 */
export function httpRouting(url: string, given: HttpRoutingOptions = {}): RoutingSource {
  check(httpAddress, url, 'url');
  const { pollMs = routingUrlPollMs } = checkFields(httpRoutingOptions, given);
  return polled(url, pollMs, () => new HttpText(url), routingFormat);
}

const httpRoutingOptions = options({ pollMs: v.optional(integer(1, routingPollMsMax)) });

/** The text at an address. */
export class HttpText implements Polled {
  readonly #url: string;
  #etag: string | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  async read(signal: AbortSignal): Promise<string> {
    return (await this.#get(signal, null)) ?? '';
  }

  poll(signal: AbortSignal): Promise<string | undefined> {
    return this.#get(signal, this.#etag);
  }

  /** Gets the body, or undefined if it still has this ETag. */
  async #get(signal: AbortSignal, etag: string | null): Promise<string | undefined> {
    const headers = { accept: 'application/json', ...(etag !== null && { 'if-none-match': etag }) };
    const ended = AbortSignal.any([signal, AbortSignal.timeout(routingFetchMsMax)]);
    try {
      const response = await fetch(this.#url, { headers, signal: ended });
      if (response.status === 200) {
        const text = await textOf(response.body ?? [], routingCharsMax);
        this.#etag = response.headers.get('etag');
        return text;
      }
      await response.body?.cancel();
      if (response.status === 304 && etag !== null) return undefined;
      throw new Error(`the server answered ${response.status} ${response.statusText}`);
    } catch (cause) {
      throw this.#unavailable(cause as Error);
    }
  }

  #unavailable(cause: Error): FlexemrError {
    // The message of fetch itself says only that it failed.
    const why = cause.cause instanceof Error ? cause.cause.message : cause.message;
    const message = `cannot get the routing table from ${this.#url}${byProxy(this.#url)}: ${why}. Check the address and its server.`;
    return new FlexemrError('UNAVAILABLE', message, { field: 'url', value: this.#url, cause });
  }
}
