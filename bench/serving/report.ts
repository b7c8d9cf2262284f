import type { Outcome } from './race.ts';

const widths = [32, 11, 9, 9, 9, 9, 9, 11, 11, 8, 9] as const;

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    .join(' ')
    .trimEnd();
}

/** @param items the items that are counted per second */
export function tableHead(title: string, items: string, ours: boolean): string {
  const cpu = ['client µs', 'server µs', 'CPU µs'];
  const columns = [title, `${items}/s`, 'p50 ms', 'p99 ms', ...cpu, 'bytes in', 'bytes out'];
  return line([...columns, ...(ours ? ['× CPU', '× rate'] : [])]);
}

/** @param ours our result, for the ratios: its CPU / our CPU, and our rate / its rate. Above 1, ours is better. */
export function tableRow(outcome: Outcome, ours: Outcome | undefined): string {
  const { name, perSecond, p50Ms, p99Ms, clientUs, serverUs, bytesIn, bytesOut } = outcome;
  const cells = [
    name,
    rounded(perSecond),
    p50Ms.toFixed(3),
    p99Ms.toFixed(3),
    rounded(clientUs),
    rounded(serverUs),
    rounded(clientUs + serverUs),
    rounded(bytesIn),
    rounded(bytesOut),
  ];
  if (!ours) return line(cells);
  const cpu = (clientUs + serverUs) / (ours.clientUs + ours.serverUs);
  return line([...cells, cpu.toFixed(2), (ours.perSecond / perSecond).toFixed(2)]);
}

/** Formats a number with at least three significant digits. */
function rounded(x: number): string {
  return x >= 100 ? Math.round(x).toLocaleString('en') : x.toPrecision(3);
}
