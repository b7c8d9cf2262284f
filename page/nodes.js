// @ts-check
// The table of memory nodes.
import { failures, seconds, whole, write } from './units.js';

/** @import { MemoryNode } from './figures.js' */

export class NodeTable {
  #body;
  #template;
  /** @type {Map<string, HTMLTableRowElement>} */
  #rows = new Map();

  /** @param {HTMLElement} body of the table @param {HTMLTemplateElement} template of a row */
  constructor(body, template) {
    this.#body = body;
    this.#template = template;
  }

  /** @param {readonly MemoryNode[]} nodes */
  write(nodes) {
    const names = nodes.map(({ name }) => name);
    if (names.join('\n') !== [...this.#rows.keys()].join('\n')) this.#list(names);
    for (const node of nodes) fill(/** @type {HTMLTableRowElement} */ (this.#rows.get(node.name)), node);
  }

  /** @param {readonly string[]} names */
  #list(names) {
    this.#rows = new Map(names.map((name) => [name, this.#rows.get(name) ?? this.#row(name)]));
    this.#body.replaceChildren(...this.#rows.values());
  }

  /** @param {string} name */
  #row(name) {
    const fragment = /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true));
    const row = /** @type {HTMLTableRowElement} */ (fragment.firstElementChild);
    row.cells[0].textContent = name;
    return row;
  }
}

/** @param {HTMLTableRowElement} row @param {MemoryNode} node */
function fill(row, { up, workers, subrequests, p50, p99, errors }) {
  row.classList.toggle('down', !up);
  const texts = [
    up ? 'up' : 'down',
    whole(workers),
    write(subrequests),
    write(p50, seconds),
    write(p99, seconds),
    failures(errors),
  ];
  for (const [i, text] of texts.entries()) row.cells[i + 1].textContent = text;
}
