// @ts-check
// The text format of Prometheus, and what happened between two scrapes of it.

/** @typedef {Readonly<Record<string, string>>} Labels */
/** @typedef {{ readonly labels: Labels, readonly value: number }} Sample */
/**
 * A histogram at one time. `counts[i]` is the number of values up to `bounds[i]`; the last bound is infinite.
 * @typedef {{ readonly bounds: readonly number[], readonly counts: readonly number[] }} Histogram
 */

const line = /^([a-zA-Z_:][\w:]*)\s*(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$/;
const label = /\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,\s*|$)/y;
const infinities = { '+inf': Infinity, inf: Infinity, '-inf': -Infinity };

/** @param {string} text @returns {number | undefined} undefined: it is no number */
function numberOf(text) {
  const lower = text.toLowerCase();
  if (lower === 'nan') return Number.NaN;
  const value = infinities[/** @type {keyof typeof infinities} */ (lower)] ?? Number(text);
  return Number.isNaN(value) ? undefined : value;
}

/** @param {string} text what is between the braces @returns {Labels | undefined} undefined: these are no labels */
function labelsOf(text) {
  /** @type {Record<string, string>} */
  const labels = {};
  for (label.lastIndex = 0; label.lastIndex < text.length; ) {
    const found = label.exec(text);
    if (!found) return undefined;
    labels[found[1]] = found[2].replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

/** All samples at one time. */
export class Scrape {
  /** Milliseconds since 1970. */
  at;
  /** @type {Map<string, Sample[]>} */
  #samples = new Map();

  /**
   * @param {string} text in the text format of Prometheus
   * @param {number} at milliseconds since 1970
   * @throws if a line is no sample
   */
  constructor(text, at) {
    this.at = at;
    for (const row of text.split('\n')) if (row.trim() !== '' && !row.startsWith('#')) this.#add(row);
  }

  /** @param {string} row */
  #add(row) {
    const [, name, inside = '', number = ''] = line.exec(row) ?? [];
    const labels = labelsOf(inside);
    const value = numberOf(number);
    if (name === undefined || labels === undefined || value === undefined)
      throw new Error(`this line of the metrics is no sample: ${row.slice(0, 100)}`);
    const samples = this.#samples.get(name);
    if (samples) samples.push({ labels, value });
    else this.#samples.set(name, [{ labels, value }]);
  }

  /** @param {string} name @param {Labels} having @returns {readonly Sample[]} the samples that have these labels */
  samples(name, having = {}) {
    const wanted = Object.entries(having);
    const all = this.#samples.get(name) ?? [];
    return all.filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value));
  }

  /** @param {string} name @param {Labels} having @returns {number | undefined} the sum; undefined: there is none */
  value(name, having = {}) {
    const samples = this.samples(name, having);
    return samples.length === 0 ? undefined : samples.reduce((sum, { value }) => sum + value, 0);
  }

  /** @param {string} name @param {string} key @returns {string[]} the different values of a label, in order */
  labelled(name, key) {
    return [...new Set(this.samples(name).map(({ labels }) => labels[key] ?? ''))];
  }

  /** @param {string} name @param {Labels} having @returns {Histogram | undefined} undefined: there is none */
  histogram(name, having = {}) {
    const buckets = this.samples(`${name}_bucket`, having).map(({ labels, value }) => ({
      bound: numberOf(labels.le ?? '') ?? Number.NaN,
      value,
    }));
    if (buckets.length === 0) return undefined;
    buckets.sort((a, b) => a.bound - b.bound);
    return { bounds: buckets.map(({ bound }) => bound), counts: buckets.map(({ value }) => value) };
  }
}

/**
 * What was added to a counter. A counter that went backwards began again at 0, because its process began again.
 * @param {number | undefined} before undefined: it did not exist, so it was 0
 * @param {number} now
 * @returns {number}
 */
export function increase(before, now) {
  return before === undefined || now < before ? now : now - before;
}

/** @param {number | undefined} before @param {number} now @param {number} seconds between them @returns {number} per second */
export function rate(before, now, seconds) {
  return increase(before, now) / seconds;
}

/**
 * The quantile `q` of the values that a histogram got between two scrapes, like `histogram_quantile` of PromQL: linear
 * inside a bucket, and never more than the last finite bound.
 * @param {number} q from 0 to 1
 * @param {Histogram | undefined} before undefined: it did not exist
 * @param {Histogram} now
 * @returns {number | undefined} undefined: there were no values
 */
export function quantile(q, before, now) {
  const { bounds } = now;
  const counts = grown(before, now);
  const last = counts.length - 1;
  const rank = q * counts[last];
  const bucket = counts.findIndex((count) => count > 0 && count >= rank);
  if (bucket === -1) return undefined;
  if (bucket === last) return bounds[last - 1];
  const low = bucket === 0 ? Math.min(0, bounds[0]) : bounds[bucket - 1];
  const below = bucket === 0 ? 0 : counts[bucket - 1];
  return low + (bounds[bucket] - low) * ((rank - below) / (counts[bucket] - below));
}

/** @param {Histogram | undefined} before @param {Histogram} now @returns {readonly number[]} what each bucket got */
function grown(before, { counts }) {
  const old = before?.counts ?? [];
  // One bucket that went backwards says that all began again.
  const continued = old.length === counts.length && counts.every((count, i) => count >= old[i]);
  return continued ? counts.map((count, i) => count - old[i]) : counts;
}
