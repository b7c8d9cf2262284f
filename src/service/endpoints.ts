/** What a request is for. */
export type Endpoint =
  | 'page'
  | 'metrics'
  | 'openapi'
  | 'cluster'
  | 'rank'
  | 'infer'
  | 'health'
  | 'metadata'
  | 'other';

/** What a request is for, as a metric's label: one of a few names, whatever is asked. */
export function endpointOf(url: string): Endpoint {
  const path = url.split('?', 1)[0];
  if (path === '/' || path.startsWith('/page/')) return 'page';
  if (path === '/metrics') return 'metrics';
  if (path === '/openapi.json') return 'openapi';
  if (path === '/v1/cluster') return 'cluster';
  if (path === '/v1/rank') return 'rank';
  if (path.startsWith('/v2/models/') && path.endsWith('/infer')) return 'infer';
  if (path === '/healthz' || path === '/readyz' || path.startsWith('/v2/health/')) return 'health';
  if (path.startsWith('/v2/') && path.endsWith('/ready')) return 'health';
  return path === '/v2' || path.startsWith('/v2/') ? 'metadata' : 'other';
}

/** The route of requests to score, as a span's name: the same for all models. */
export function routeOf(endpoint: Endpoint): string | undefined {
  if (endpoint === 'rank') return '/v1/rank';
  return endpoint === 'infer' ? '/v2/models/:model/infer' : undefined;
}
