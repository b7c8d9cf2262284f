// @ts-check
// What happened between two scrapes, by the names of metrics.
import { increase, quantile, rate } from './metrics.js';

/** @import { Labels, Scrape } from './metrics.js' */

/** All of its figures are undefined if there is no earlier scrape, or if the metric does not exist. */
export class Interval {
  #before;
  #now;
  #seconds;

  /** @param {Scrape | undefined} before @param {Scrape} now */
  constructor(before, now) {
    this.#before = before;
    this.#now = now;
    this.#seconds = before ? (now.at - before.at) / 1_000 : 0;
  }

  /** @param {string} name of a counter @param {Labels} having @returns {number | undefined} per second */
  rate(name, having = {}) {
    const value = this.#now.value(name, having);
    if (!this.#before || value === undefined) return undefined;
    return rate(this.#before.value(name, having), value, this.#seconds);
  }

  /** @param {number} q @param {string} name of a histogram @param {Labels} having @returns {number | undefined} */
  quantile(q, name, having = {}) {
    const now = this.#now.histogram(name, having);
    if (!this.#before || !now) return undefined;
    return quantile(q, this.#before.histogram(name, having), now);
  }

  /** @param {string} name of a histogram @returns {number | undefined} undefined: it got no values */
  mean(name) {
    const [sum, count] = ['sum', 'count'].map((part) => this.#now.value(`${name}_${part}`) ?? 0);
    if (!this.#before) return undefined;
    const counted = increase(this.#before.value(`${name}_count`), count);
    return counted > 0 ? increase(this.#before.value(`${name}_sum`), sum) / counted : undefined;
  }
}
