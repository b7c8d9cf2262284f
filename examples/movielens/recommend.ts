// Recommending: a user's side of a request beside the film's side of every other one. The model's features
// are made here as they were made for its training.
import { crc32 } from 'node:zlib';
import { pickBags, type Requests } from './requests.ts';

const crossTable = 'user_x_genre';
/** Tables whose bags belong to the film; all others describe the user and the moment. */
export const filmTables: ReadonlySet<string> = new Set([
  ...['movie', 'genres', 'title_tokens', 'year', 'tag_words'],
  crossTable,
]);
const crossRows = 8192;

/** Dense features of the film; number 8 is the product of the user's and the film's mean rating, both off centre. */
const filmFeatures = new Set([2, 3, 4]);
const [userMean, filmMean, product, centre] = [1, 3, 8, 0.0130131];

/**
 * A request for one user and every film: the user's side is that of request `latest`, the film's side that of
 * each request in `films`.
 */
export function candidates(all: Requests, user: bigint, latest: number, films: readonly number[]): Requests {
  const same = films.map(() => latest);
  const bags = Object.fromEntries(
    Object.entries(all.bags).map(([table, own]) => [
      table,
      pickBags(own, filmTables.has(table) ? films : same),
    ]),
  );
  const genres = bags.genres;
  bags[crossTable] = {
    keys: [...genres.keys].map((genre) => crc32(`${user}x${genre}`) % crossRows),
    lengths: genres.lengths,
  };
  return { bags, dense: denseFeatures(all.dense, latest, films) };
}

function denseFeatures(dense: Float32Array, latest: number, films: readonly number[]): Float32Array {
  const features = 10;
  const out = new Float32Array(films.length * features);
  for (const [i, film] of films.entries()) {
    const row = out.subarray(i * features, (i + 1) * features);
    row.forEach((_, feature) => {
      row[feature] = dense[(filmFeatures.has(feature) ? film : latest) * features + feature];
    });
    row[product] = (row[userMean] - centre) * (row[filmMean] - centre);
  }
  return out;
}
