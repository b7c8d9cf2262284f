import * as v from 'valibot';
import { check, checkFields, httpAddress, integer, options } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { routingCharsMax, routingFetchMsMax, routingPollMsMax, routingUrlPollMs } from '../limits.ts';
import type { RoutingSource } from '../plan/routing-source.ts';
import { textOf } from '../transport/body-text.ts';
import { byProxy } from '../transport/proxy.ts';
import { type Polled, polledRouting } from './polled-routing.ts';

export interface HttpRoutingOptions {
  /** Between two questions while watching, in ms; default 1000. */
  readonly pollMs?: number | undefined;
}

/**
 * Routing in JSON that an http:// or https:// address serves. Watching asks again and again; a server that gives an
 * ETag is sent it, and may answer 304. Reading throws UNAVAILABLE where there is no answer. @throws INVALID_OPTION
 */
export function httpRouting(url: string, given: HttpRoutingOptions = {}): RoutingSource {
  check(httpAddress, url, 'url');
  const { pollMs = routingUrlPollMs } = checkFields(httpRoutingOptions, given);
  return polledRouting(url, pollMs, () => new HttpText(url));
}

const httpRoutingOptions = options({ pollMs: v.optional(integer(1, routingPollMsMax)) });

class HttpText implements Polled {
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

  /** The body, or undefined where it still has this ETag. */
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
      throw new Error(`it answered ${response.status} ${response.statusText}`);
    } catch (cause) {
      throw this.#unavailable(cause as Error);
    }
  }

  #unavailable(cause: Error): FlexemrError {
    // What fetch says itself is only that it failed.
    const why = cause.cause instanceof Error ? cause.cause.message : cause.message;
    const message = `cannot get the routing table from ${this.#url}${byProxy(this.#url)}: ${why}. Check the address and its server.`;
    return new FlexemrError('UNAVAILABLE', message, { field: 'url', value: this.#url, cause });
  }
}
