// The main job on a real model: a scoring service over two memory-node processes. It asks over HTTP, as any client would:
// it scores held-out MovieLens requests, recommends films to three users, and compares with what PyTorch computed.
//   npm start               npm start -- --serve   goes on serving, with its page, until Ctrl+C
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { parse } from 'csv-parse/sync';
import { openRanker, RankHost, SafetensorsFile, startLocalCluster } from '../../src/index.ts';
import { Client } from './client.ts';
import { candidates } from './recommend.ts';
import { type Requests, readRequests } from './requests.ts';

const here = import.meta.dirname;
const usersShown = 3;
const filmsShown = 10;

// Whole tables on a node give the bits that they would give in this process.
await using cluster = await startLocalCluster({
  tables: join(here, 'tables.safetensors'),
  nodes: 2,
  split: 'table',
});
await using ranker = await openRanker({ routing: cluster.routing, transport: 'stream' });
await using service = await RankHost.start({
  source: ranker,
  dense: [join(here, 'bottom.onnx'), join(here, 'top.onnx')],
  name: 'movielens',
});
await using file = await SafetensorsFile.open(join(here, 'requests.safetensors'));
const client = new Client(service.url, service.scorer.signature);
const names = ranker.specs.map(({ name }) => name);
const dim = ranker.specs[0].dim;
const lookupNs = createHistogram();

const requests = await readRequests(file, names);
const [pooled, probs] = [await pool(requests), await client.score(requests)];

const users = await file.read('user_id', 'I64');
const movies = await file.read('movie_id', 'I64');
const titles = new Map<string, string>(
  parse<Record<string, string>>(readFileSync(join(here, 'movies.csv')), { columns: true }).map((film) => [
    film.movieId,
    film.title,
  ]),
);
const films = [...new Set(movies)].map((movie) => movies.indexOf(movie));
for (const user of busiest(users).slice(0, usersShown)) {
  const best = await client.rank(candidates(requests, user, users.lastIndexOf(user), films), filmsShown);
  console.log(`user ${user}, the ten best of ${films.length} films:`);
  for (const [i, { candidate, score }] of best.entries()) {
    const title = titles.get(String(movies[films[candidate]]));
    console.log(`  ${String(i + 1).padStart(2)}. ${(score * 100).toFixed(0)} %  ${title}`);
  }
}

console.log(networkLine());
if (process.argv.includes('--serve')) {
  console.log(`its page is ${service.url}/ (Ctrl+C ends it)`);
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once('SIGINT', () => resolve());
  await promise;
}
const deltaPooled = largestDifference(pooled, await file.read('expected_pooled', 'F32'));
const deltaProb = largestDifference(probs, await file.read('expected_prob', 'F32'));
const area = auc(probs, await file.read('label', 'F32'));
console.log(
  `movielens: ${probs.length} requests, max |Δpooled| = ${deltaPooled.toExponential(2)}, ` +
    `max |Δprob| = ${deltaProb.toExponential(2)}, AUC = ${area.toFixed(4)}`,
);

/** Pooled vectors without the service, f32 [requests, tables, dim]. */
async function pool({ bags, dense }: Requests): Promise<Float32Array> {
  const started = performance.now();
  const lookup = await ranker.lookup(bags);
  lookupNs.record(Math.ceil((performance.now() - started) * 1e6));
  const all = new Float32Array((dense.length / 10) * names.length * dim);
  for (const [table, name] of names.entries())
    lookup.get(name)?.values.forEach((value, i) => {
      all[(Math.floor(i / dim) * names.length + table) * dim + (i % dim)] = value;
    });
  return all;
}

/** What is where, and what it took to ask for it. */
function networkLine(): string {
  const held = cluster.nodes.map(({ node, bytes }) => `${node} ${(bytes / 1e6).toFixed(2)} MB`).join(', ');
  const { lookups, bytesIn, bytesOut } = ranker.stats;
  const moved = [bytesIn, bytesOut].map((bytes) => (bytes / 1e3).toFixed(0));
  const p50 = (lookupNs.percentile(50) / 1e6).toFixed(2);
  return (
    `two memory nodes, stream, ${names.length} tables: ${held}; ` +
    `${lookups} lookups, ${moved[0]} KB in, ${moved[1]} KB out, p50 ${p50} ms`
  );
}
/** Users by how often they ask, most often first. */
function busiest(all: BigInt64Array): bigint[] {
  const asked = Map.groupBy(all, (user) => user);
  return [...asked].sort(([, a], [, b]) => b.length - a.length).map(([user]) => user);
}

function largestDifference(got: Float32Array, expected: Float32Array): number {
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(got[i] - value)), 0);
}

/** Area under the ROC curve: how often a liked film outranks one that was not; a tie counts half. */
function auc(scores: Float32Array, labels: Float32Array): number {
  const liked = scores.filter((_, i) => labels[i] === 1);
  const others = scores.filter((_, i) => labels[i] === 0);
  let wins = 0;
  for (const a of liked) for (const b of others) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (liked.length * others.length);
}
