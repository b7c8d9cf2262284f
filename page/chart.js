// @ts-check
// One chart: its title, its values at one time as text, and its plot.
import { colours, dashes, Plot } from './plot.js';
import { write } from './units.js';

/** @import { Figure } from './figures.js' */
/** @import { Moment } from './history.js' */
/** @import { Panel } from './panels.js' */

export class Chart {
  #panel;
  #root;
  #plot;
  /** The value of each line. Lines are only added, so that each keeps its colour. @type {Map<string, Element>} */
  #values = new Map();

  /**
   * @param {HTMLElement} root made from the template
   * @param {Panel} panel
   * @param {(at: number | undefined) => void} onPoint gets the time that somebody points at, in milliseconds
   */
  constructor(root, panel, onPoint) {
    this.#panel = panel;
    this.#root = root;
    root.classList.toggle('fixed', panel.empty === undefined);
    this.#part('h3').textContent = panel.title;
    this.#part('.empty').textContent = panel.empty ?? '';
    const element = this.#part('.plot');
    element.setAttribute('aria-label', `${panel.title}, a chart of the last five minutes`);
    this.#plot = new Plot(element, panel.unit, onPoint);
  }

  /** @param {readonly Moment[]} moments in order @param {number} until the time at the right edge, in milliseconds */
  draw(moments, until) {
    const rows = moments.map(({ figures }) => figures && this.#panel.lines(figures));
    for (const row of rows) this.#know(row);
    const { absent = null } = this.#panel;
    const lines = [...this.#values.keys()].map((name) =>
      rows.map((row) => (row && !(name in row) ? absent : (row?.[name] ?? null))),
    );
    const times = moments.map(({ at }) => at);
    this.#plot.draw(times, lines, until);
  }

  /** Writes the values of a moment. @param {Moment} moment @param {number | undefined} marked its time, if it is marked */
  write({ figures }, marked) {
    const row = figures && this.#panel.lines(figures);
    this.#know(row);
    const absent = row && this.#panel.absent;
    for (const [name, value] of this.#values)
      value.textContent = write(row?.[name] ?? absent, this.#panel.unit);
    this.#part('.empty').hidden = this.#values.size > 0;
    this.#root.hidden = this.#panel.remote === true && figures !== undefined && !figures.remote;
    this.#plot.mark(marked);
  }

  /** @param {Readonly<Record<string, Figure>> | undefined} row undefined: a gap */
  #know(row = {}) {
    for (const name of Object.keys(row)) if (!this.#values.has(name)) this.#values.set(name, this.#add(name));
  }

  /** Adds a line. @param {string} name @returns {Element} the element of its value */
  #add(name) {
    const line = this.#values.size;
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById('value'));
    const entry = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const sample = /** @type {SVGElement} */ (entry.querySelector('line'));
    sample.style.stroke = `var(--line-${line % colours})`;
    sample.setAttribute('stroke-dasharray', dashes[line % dashes.length].join(' ') || 'none');
    /** @type {Element} */ (entry.querySelector('span')).textContent = name;
    const value = /** @type {Element} */ (entry.querySelector('dd'));
    this.#part('dl').append(entry);
    return value;
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.#root.querySelector(selector));
  }
}
