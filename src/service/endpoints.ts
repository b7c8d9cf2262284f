/** What a request is for, as a metric's label: one of a few names, whatever is asked. */
export function endpointOf(url: string): string {
  const path = url.split('?', 1)[0];
  if (path === '/' || path.startsWith('/page/')) return 'page';
  if (path === '/metrics') return 'metrics';
  if (path === '/openapi.json') return 'openapi';
  if (path === '/v1/rank') return 'rank';
  if (path.startsWith('/v2/models/') && path.endsWith('/infer')) return 'infer';
  if (path.startsWith('/v2/health/') || (path.startsWith('/v2/') && path.endsWith('/ready'))) return 'health';
  return path === '/v2' || path.startsWith('/v2/') ? 'metadata' : 'other';
}
