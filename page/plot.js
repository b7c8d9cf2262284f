// @ts-check
// Lines over the last minutes on a canvas, by uPlot.
import uPlot from '/page/uPlot.js';
import { shownMs } from './history.js';
import { tick } from './units.js';

/** @import { Unit } from './units.js' */
/** @typedef {readonly (readonly (number | null)[])[]} Lines */

/** Lines differ by colour and by dashes. */
export const dashes = [[], [5, 3], [2, 2], [9, 3, 2, 3]];
/** Colours of lines, --line-0 and so on in page.css. */
export const colours = 6;

const heightPx = 108;
const font = '11px system-ui, sans-serif';
const minute = new Intl.DateTimeFormat('sv', { timeStyle: 'short' });

/** @param {string} name of a property in page.css, which depends on the theme */
const colour = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(name);

export class Plot {
  #element;
  #unit;
  #onPoint;
  /** @type {uPlot | undefined} */
  #uplot;
  #until = 0;
  /** @type {number | undefined} */
  #marked;

  /**
   * @param {HTMLElement} element is filled
   * @param {Unit} unit of its values
   * @param {(at: number | undefined) => void} onPoint gets the time that somebody points at, in milliseconds
   */
  constructor(element, unit, onPoint) {
    this.#element = element;
    this.#unit = unit;
    this.#onPoint = onPoint;
    new ResizeObserver(() => this.#fit()).observe(element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#uplot?.redraw(false));
  }

  /** @param {readonly number[]} times in order @param {Lines} lines @param {number} until the time at the right edge */
  draw(times, lines, until) {
    this.#until = until;
    const data = /** @type {uPlot.AlignedData} */ ([times, ...lines]);
    if (this.#uplot?.series.length === data.length) this.#uplot.setData(data);
    else this.#open(data);
    this.mark(this.#marked);
  }

  /** @param {number | undefined} at a time that is marked; undefined: none is */
  mark(at) {
    this.#marked = at;
    const left = at === undefined ? -10 : (this.#uplot?.valToPos(at, 'x') ?? -10);
    this.#uplot?.setCursor({ left, top: at === undefined ? -10 : 0 }, false);
  }

  /** @param {uPlot.AlignedData} data */
  #open(data) {
    this.#uplot?.destroy();
    this.#uplot = new uPlot(this.#options(data.length - 1), data, this.#element);
    const { over } = this.#uplot;
    over.addEventListener('pointermove', ({ offsetX }) => this.#onPoint(this.#uplot?.posToVal(offsetX, 'x')));
    over.addEventListener('pointerleave', () => this.#onPoint(undefined));
  }

  /** @param {number} lines @returns {uPlot.Options} */
  #options(lines) {
    const ignored = () => null;
    return {
      ...{ width: this.#element.clientWidth, height: heightPx, ms: 1, padding: [8, 14, 0, 0] },
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 5 },
        drag: { x: false, y: false },
        bind: {
          mousemove: ignored,
          mouseenter: ignored,
          mouseleave: ignored,
          mousedown: ignored,
          dblclick: ignored,
        },
      },
      scales: {
        x: { range: () => [this.#until - shownMs, this.#until] },
        y: { range: (_, _min, max) => [0, roundUp(max)] },
      },
      axes: this.#axes(),
      series: [{}, ...Array.from({ length: lines }, (_, i) => series(i))],
    };
  }

  /** @returns {uPlot.Axis[]} */
  #axes() {
    const common = { stroke: colour('--quiet'), font, ticks: { show: false }, gap: 4 };
    const grid = { stroke: colour('--rule'), width: 1 };
    return [
      {
        ...common,
        grid: { show: false },
        size: 20,
        space: 44,
        values: minutes,
      },
      {
        ...{ ...common, grid, size: 50 },
        splits: (_, _axis, _min, max) => [0, max / 2, max],
        values: (_, values) => values.map((value) => tick(value, this.#unit)),
      },
    ];
  }

  #fit() {
    const width = this.#element.clientWidth;
    if (width > 0) this.#uplot?.setSize({ width, height: heightPx });
    this.mark(this.#marked);
  }
}

/** The time of each minute, but not below the scale of the values. @type {uPlot.Axis.DynamicValues} */
function minutes(uplot, times) {
  return times.map((ms) => (uplot.valToPos(ms, 'x') < 16 ? '' : minute.format(ms)));
}

/** @param {number} i @returns {uPlot.Series} */
function series(i) {
  const stroke = colour(`--line-${i % colours}`);
  return { stroke, width: 1.5, dash: dashes[i % dashes.length], points: { show: false } };
}

/** The next round number, so that the scale seldom changes. @param {number | null} max */
function roundUp(max) {
  if (!max || max <= 0) return 1;
  const decade = 10 ** Math.floor(Math.log10(max));
  return decade * ([1, 1.5, 2, 3, 4, 5, 6, 8].find((step) => step * decade >= max) ?? 10);
}
