// @ts-check
// The rows of a table of words.

/** @typedef {{ readonly cells: readonly string[], readonly bad: boolean }} Row The first cell names the row. */

/** Writes all rows, if they are others. @param {HTMLElement} body of the table @param {readonly Row[]} rows */
export function rowsOf(body, rows) {
  const text = JSON.stringify(rows);
  if (body.dataset.rows === text) return;
  body.dataset.rows = text;
  body.replaceChildren(...rows.map(row));
}

/** @param {Row} row */
function row({ cells: [name, ...cells], bad }) {
  const element = document.createElement('tr');
  element.classList.toggle('down', bad);
  const head = document.createElement('th');
  head.scope = 'row';
  head.textContent = name;
  element.append(head);
  for (const text of cells) element.insertCell().textContent = text;
  return element;
}
