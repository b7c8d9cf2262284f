// Clients cannot make new series of metrics, whatever they ask for.
import fc from 'fast-check';
import { expect, inject, test } from 'vitest';
import { answeredCodes } from '../../src/wire/status.ts';
import { runs } from '../runs.ts';
import { Load } from './load.ts';
import { Metrics } from './scrape.ts';

const { url, model, nodes } = inject('service');
const infer = `/v2/models/${model}/infer`;

const endpoints = ['page', 'metrics', 'openapi', 'rank', 'infer', 'health', 'metadata', 'other'];
const statuses = [200, 204, 400, 401, 404, 405, 406, 408, 411, 413, 414, 415, 421, 422, 429, 431, 499];
const bounded: Readonly<Record<string, readonly string[]>> = {
  endpoint: endpoints,
  status: statuses.map(String),
  code: [...answeredCodes, 'CANCELLED'],
  stage: ['lookup', 'dense'],
  node: nodes.map(({ node }) => node),
};

const word = fc.string({ minLength: 1, maxLength: 12 }).map(encodeURIComponent);
const path = fc.oneof(
  fc.array(word, { maxLength: 4 }).map((words) => `/${words.join('/')}`),
  word.map((name) => `/v2/models/${name}/infer`),
  fc.tuple(word, word).map(([name, version]) => `/v2/models/${name}/versions/${version}/infer`),
  word.map((name) => `/v2/models/${name}/ready`),
  word.map((name) => `/page/${name}`),
  word.map((name) => `/metrics?${name}`),
  fc.constantFrom(infer, '/v1/rank', '/metrics', '/healthz', '/', '/v2'),
);
const asked = fc.record({
  path,
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'PROPFIND', 'QUERY'),
  body: fc.oneof(fc.string(), fc.json()),
  headers: fc.record({
    'content-type': fc.constantFrom('application/json', 'application/octet-stream', 'text/plain'),
    'user-agent': word,
    'x-code': fc.constantFrom('OVERLOADED', 'none'),
  }),
});

test('labels are bounded, whatever clients ask for', async () => {
  using load = new Load(url, 4);
  await fc.assert(
    fc.asyncProperty(asked, async ({ path, method, body, headers }) => {
      const { status } = await load.ask(path, {
        method,
        headers,
        body: hasBody(method) ? body : '',
      });
      expect(status).toBeLessThan(500);
    }),
    { numRuns: runs.strangeRequests },
  );
  for (const { name, samples } of (await new Metrics(url).families()).values()) {
    if (!name.startsWith('flexemr_')) continue;
    for (const { labels } of samples)
      for (const [label, value] of Object.entries(labels))
        if (label !== 'le') expect(bounded[label], `${name}: ${label}`).toContain(value);
  }
});

/** Node.js sends the body of other methods without its length, so that it is taken for the next request. */
const hasBody = (method: string): boolean => ['POST', 'PUT', 'PATCH', 'QUERY'].includes(method);
