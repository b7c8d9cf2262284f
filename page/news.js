// @ts-check
// Tells what has changed: in the title of the tab, and to those who hear the page. Figures are never told.

/** @import { MemoryNode } from './figures.js' */

const name = document.title;
/** @type {ReadonlySet<string>} */
let wereDown = new Set();

/** @param {string} text */
export function tell(text) {
  /** @type {HTMLElement} */ (document.getElementById('news')).textContent = text;
}

/** @param {string} state in a few words; empty: all is well */
export function title(state) {
  document.title = state === '' ? name : `${state} · ${name}`;
}

/** @type {string | undefined} */
let releases;

/** Tells which releases there are, if they are others than before. @param {string} news */
export function tellReleases(news) {
  if (releases !== undefined && releases !== news) tell(news);
  releases = news;
}

/** Tells which nodes went and which came back. @param {readonly MemoryNode[]} nodes */
export function tellNodes(nodes) {
  const down = new Set(nodes.filter(({ up }) => !up).map((node) => node.name));
  const changes = [
    ['down', [...down].filter((node) => !wereDown.has(node))],
    [
      'up again',
      [...wereDown].filter((node) => !down.has(node) && nodes.some((known) => known.name === node)),
    ],
  ];
  wereDown = down;
  const told = changes.filter(([, names]) => names.length > 0).map(([how, names]) => `${how}: ${names}`);
  if (told.length > 0) tell(`Memory nodes ${told.join('; ')}`);
  title(down.size === 0 ? '' : `${down.size} down`);
}
