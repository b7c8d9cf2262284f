import { failedMs } from './load.ts';
import type { Kept, LoadOutcome } from './result.ts';

const widths = [24, 10, 17, 9, 9, 9, 12, 12] as const;
const loadWidths = [24, 18, 18, 18, 18, 10] as const;

function line(cells: readonly string[], columns: readonly number[]): string {
  const padded = cells.map((cell, i) => (i === 0 ? cell.padEnd(columns[i]) : cell.padStart(columns[i])));
  return padded.join(' ').trimEnd();
}

/** The highest rates that services kept. A ratio above 1: the first service keeps more. */
export function sloTable(title: string, kept: readonly Kept[]): string {
  const head = ['samples/s', 'rounds', '× fewer', 'p50 ms', 'p99 ms', 'service µs', 'its rows µs'];
  const rows = kept.map(({ name, perSecond, rounds, best }) => {
    const ratio = perSecond === 0 ? '–' : (kept[0].perSecond / perSecond).toFixed(2);
    const spread = `${whole(Math.min(...rounds))} … ${whole(Math.max(...rounds))}`;
    const ms = best === undefined ? ['–', '–'] : [best.p50Ms.toFixed(1), best.p99Ms.toFixed(1)];
    const cpu = best === undefined ? ['–', '–'] : [whole(best.serviceUs), whole(best.storeUs)];
    return line([name, whole(perSecond), spread, ratio, ...ms, ...cpu], widths);
  });
  return [line([title, ...head], widths), ...rows].join('\n');
}

/**
 * The share of requests that were answered in time at equal loads, and p99. The last column compares the first service
 * with the best of the others.
 */
export function loadsTable(title: string, loads: readonly LoadOutcome[]): string {
  const names = loads[0].services.map(({ name }) => name);
  const rows = loads.map(({ rate, share, services }) => {
    const cells = services.map(
      ({ inTime, p99Ms }) => `${(inTime * 100).toFixed(1)} %, ${milliseconds(p99Ms)}`,
    );
    return line(
      [`${whole(rate)}/s (${share} ×)`, ...cells, comparedWithBest(services).toFixed(3)],
      loadWidths,
    );
  });
  return [line([title, ...names, '/ best'], loadWidths), ...rows].join('\n');
}

/** What the first service answers in time, divided by what the best of the others does. */
export function comparedWithBest([first, ...others]: LoadOutcome['services']): number {
  return first.inTime / Math.max(...others.map(({ inTime }) => inTime));
}

function milliseconds(ms: number): string {
  return ms < failedMs ? `${ms.toFixed(1)} ms` : 'late';
}

function whole(x: number): string {
  return Math.round(x).toLocaleString('en');
}
