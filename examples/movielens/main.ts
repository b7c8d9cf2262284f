// The main job on a real model: score held-out MovieLens requests as a DLRM does, recommend films to three
// users, and compare with what PyTorch computed.   npm start
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { DenseNetwork, openTables, SafetensorsFile, sigmoid, stackPooled } from '../../src/index.ts';
import { candidates } from './recommend.ts';
import { type Requests, readRequests } from './requests.ts';

const here = import.meta.dirname;
const usersShown = 3;
const filmsShown = 10;

await using tables = await openTables(join(here, 'tables.safetensors'));
await using file = await SafetensorsFile.open(join(here, 'requests.safetensors'));
const network = await DenseNetwork.open(join(here, 'dense.onnx'));
const names = tables.specs.map(({ name }) => name);
const dim = tables.specs[0].dim;

/** Pooled vectors, f32 [requests, tables, dim], and the probability that each film is liked. */
async function score({ bags, dense }: Requests): Promise<{ pooled: Float32Array; probs: Float32Array }> {
  const lookup = await tables.lookup(bags);
  const requests = dense.length / 10;
  const pooled = stackPooled(
    names.map((name) => lookup.get(name)?.values ?? new Float32Array()),
    requests,
    dim,
  );
  return { pooled, probs: sigmoid(await network.logits(dense, pooled, requests, dim)) };
}

const requests = await readRequests(file, names);
const { pooled, probs } = await score(requests);

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
  const { probs: liked } = await score(candidates(requests, user, users.lastIndexOf(user), films));
  const best = films.map((film, i) => ({ title: titles.get(String(movies[film])), prob: liked[i] }));
  best.sort((a, b) => b.prob - a.prob);
  console.log(`user ${user}, the ten best of ${films.length} films:`);
  for (const [i, { title, prob }] of best.slice(0, filmsShown).entries()) {
    console.log(`  ${String(i + 1).padStart(2)}. ${(prob * 100).toFixed(0)} %  ${title}`);
  }
}

const deltaPooled = largestDifference(pooled, await file.read('expected_pooled', 'F32'));
const deltaProb = largestDifference(probs, await file.read('expected_prob', 'F32'));
const area = auc(probs, await file.read('label', 'F32'));
console.log(
  `movielens: ${probs.length} requests, max |Δpooled| = ${deltaPooled.toExponential(2)}, ` +
    `max |Δprob| = ${deltaProb.toExponential(2)}, AUC = ${area.toFixed(4)}`,
);

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
