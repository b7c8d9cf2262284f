// @ts-check
// The figures of the last minutes.
import { figuresOf } from './figures.js';

/** @import { Figures } from './figures.js' */
/** @import { Scrape } from './metrics.js' */
/** @typedef {{ readonly at: number, readonly figures: Figures | undefined }} Moment milliseconds; undefined: a gap */

/** Milliseconds that are shown. */
export const shownMs = 300_000;
/** Rates and quantiles are those of this time. */
const windowMs = 5_000;
/** Between figures that are further apart than this, there is a gap. */
const gapMs = 3_000;

export class History {
  /** @type {readonly Scrape[]} */
  #scrapes = [];
  /** In order. @type {readonly Moment[]} */
  moments = [];

  /** @returns {Moment | undefined} */
  get last() {
    return this.moments.at(-1);
  }

  /** @param {Scrape} scrape @returns {Figures} */
  add(scrape) {
    const { at } = scrape;
    const previous = this.last?.at ?? at;
    // A clock that went backwards makes a gap too.
    const continued = at > previous && at - previous <= gapMs;
    const gap = continued || !this.last ? [] : [{ at: at - 1, figures: undefined }];
    this.#scrapes = continued ? this.#scrapes.filter((earlier) => earlier.at >= at - windowMs) : [];
    const figures = figuresOf(this.#scrapes[0], scrape);
    this.#scrapes = [...this.#scrapes, scrape];
    // One more on the left, so that lines reach the edge.
    const kept = this.moments.filter((moment) => moment.at < at - 1 && moment.at > at - shownMs - gapMs);
    this.moments = [...kept, ...gap, { at, figures }];
    return figures;
  }

  /** @param {number} at milliseconds @returns {Moment | undefined} the moment that is nearest to it */
  nearest(at) {
    /** @param {Moment} moment */
    const distance = (moment) => Math.abs(moment.at - at);
    return this.moments.reduce(
      (best, moment) => (distance(moment) < distance(best) ? moment : best),
      this.moments[0],
    );
  }
}
