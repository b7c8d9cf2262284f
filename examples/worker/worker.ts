// A Cloudflare Worker that answers lookups from memory nodes: POST { feature: { keys, offsets } }.
import {
  type ErrorCode,
  FlexemrError,
  type KeyedBags,
  openRanker,
  parseRouting,
  type Ranker,
} from 'flexemr/edge';

interface Env {
  /** The routing table, as JSON. */
  readonly ROUTING: string;
  /** Memory nodes' bearer token. */
  readonly TOKEN?: string;
}

/** One ranker an isolate: it has described the nodes once, and merges in one memory. */
let opened: Promise<Ranker> | undefined;

async function ranker({ ROUTING, TOKEN }: Env): Promise<Ranker> {
  opened ??= openRanker({ routing: parseRouting(ROUTING, 'ROUTING'), token: TOKEN });
  return await opened.catch((error) => {
    opened = undefined;
    throw error;
  });
}

/** What the caller can mend, and what passes; the rest is ours to mend. */
const statuses: Partial<Record<ErrorCode, number>> = {
  INVALID_BAGS: 400,
  INVALID_KEY: 400,
  INVALID_OFFSETS: 400,
  INVALID_WEIGHTS: 400,
  UNKNOWN_TABLE: 400,
  LIMIT_EXCEEDED: 400,
  DEADLINE_EXCEEDED: 503,
  NODE_FAILED: 503,
  OVERLOADED: 503,
  STALE_ROUTING: 503,
  UNAVAILABLE: 503,
};

async function bagsOf(request: Request): Promise<KeyedBags> {
  const body = await request.json().catch((cause: unknown) => {
    throw new FlexemrError('INVALID_BAGS', 'the body is not JSON', { field: 'body', cause });
  });
  return body as KeyedBags;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      const bags = await bagsOf(request);
      using lookup = await (await ranker(env)).lookup(bags);
      const features = [...lookup].map(([name, { dim, values, missing }]) => {
        return [name, { dim, values: [...values], missing: [...missing] }];
      });
      return Response.json(Object.fromEntries(features));
    } catch (error) {
      if (!(error instanceof FlexemrError)) throw error;
      const { code, message, field } = error;
      return Response.json({ error: { code, message, field } }, { status: statuses[code] ?? 500 });
    }
  },
};
