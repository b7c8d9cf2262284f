// Demands of connections in the model: skewed by Zipf's law, with noise, from seeds.
import { randomWords } from '../data.ts';

/** Numbers in [0, 1) of a seed. */
export function randomNumbers(seed: number): () => number {
  const next = randomWords(Math.imul(seed + 1, 0x9e3779b1) || 1);
  for (let i = 0; i < 8; i++) next();
  return () => next() / 2 ** 32;
}

/** Demands that follow Zipf's law over connections in a random order, and have this sum. */
export function zipfDemands(
  count: number,
  exponent: number,
  sum: number,
  random: () => number,
): Float64Array {
  const weights = Float64Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [weights[i], weights[j]] = [weights[j], weights[i]];
  }
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => (weight * sum) / total);
}

/** The demands of one window: each is up to `noise` more or less. */
export function noisy(demands: Float64Array, noise: number, random: () => number): Float64Array {
  return demands.map((demand) => demand * (1 + noise * (2 * random() - 1)));
}
