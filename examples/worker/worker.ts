// A Cloudflare Worker that answers lookups from memory nodes: POST { feature: { keys, offsets } }.
import { FlexemrError, type KeyedBags, openRanker, parseRouting, type Ranker } from 'flexemr/edge';

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

/** What the caller can mend, and what memory nodes have to. */
function statusOf({ code }: FlexemrError): number {
  return /^(UNAVAILABLE|OVERLOADED|NODE_FAILED|DEADLINE_EXCEEDED|STALE_ROUTING)$/.test(code) ? 503 : 400;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      const bags = (await request.json()) as KeyedBags;
      using lookup = await (await ranker(env)).lookup(bags);
      const features = [...lookup].map(([name, { dim, values }]) => [name, { dim, values: [...values] }]);
      return Response.json(Object.fromEntries(features));
    } catch (error) {
      if (!(error instanceof FlexemrError)) throw error;
      const { code, message, field } = error;
      return Response.json({ error: { code, message, field } }, { status: statusOf(error) });
    }
  },
};
