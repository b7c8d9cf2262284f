import type { Case } from './bench.ts';
import type { Figures } from './measure.ts';

const COLUMNS: [title: string, width: number][] = [
  ['name', 40],
  ['bar', 12],
  ['ours', 15],
  ['bar', 15],
  ['ratio', 7],
  ['aim', 6],
  ['floor', 6],
  ['spread', 13],
];
const AT_RIGHT = 2;

/** A line of the table. The note is at the end. */
function line(cells: string[], note: string): string {
  const padded = cells.map((cell, i) =>
    i < AT_RIGHT ? cell.padEnd(COLUMNS[i][1]) : cell.padStart(COLUMNS[i][1]),
  );
  return [...padded, '', note].join(' ').trimEnd();
}

export function tableHead(): string {
  return line(
    COLUMNS.map(([title]) => title),
    'note',
  );
}

export function tableRow(of: Case, { ours, bar, ratio, low, high }: Figures, remark = ''): string {
  const rate = (x: number | undefined): string =>
    x === undefined ? '–' : `${(x / 1e6).toFixed(1)} M ${of.unit}/s`;
  const number = (x: number | undefined): string => (x === undefined ? '–' : x.toFixed(2));
  const belowFloor = ratio !== undefined && of.floor !== undefined && ratio < of.floor ? 'below floor' : '';
  const notes = [belowFloor, remark, of.note ?? ''].filter((note) => note !== '');
  const spread = low === undefined ? number(low) : `${number(low)} … ${number(high)}`;
  return line(
    [of.name, of.bar, rate(ours), rate(bar), number(ratio), number(of.aim), number(of.floor), spread],
    notes.join('; '),
  );
}
