// @ts-check
// What each chart shows.
import { bytes, count, seconds } from './units.js';

/** @import { Failing, Figure, Figures, Times, Traffic } from './figures.js' */
/** @import { Unit } from './units.js' */
/**
 * @typedef {{
 *   readonly title: string, readonly unit: Unit,
 *   readonly empty?: string, readonly absent?: number, readonly remote?: boolean,
 *   readonly lines: (figures: Figures) => Readonly<Record<string, Figure>>,
 * }} Panel `lines`: names and values; `empty`: said as long as there are no lines; `absent`: what a line was before it
 *   was known; `remote`: only with memory nodes
 */

/** @param {Times} times */
const quantiles = ({ p50, p99 }) => ({ p50, p99 });

/** @param {Traffic | undefined} traffic */
const ways = (traffic) => ({ to: traffic?.to, from: traffic?.from });

/** @param {readonly Failing[]} errors */
const byCode = (errors) => Object.fromEntries(errors.map(({ code, rate }) => [code, rate]));

/** @type {readonly Panel[]} */
export const panels = [
  { title: 'Requests per second', unit: count, lines: ({ requests }) => ({ requests }) },
  { title: 'Candidates per second', unit: count, lines: ({ candidates }) => ({ candidates }) },
  {
    title: 'Errors per second',
    unit: count,
    empty: 'none',
    absent: 0,
    lines: ({ errors }) => byCode(errors),
  },
  { title: 'Candidates in the queue', unit: count, lines: ({ queue }) => ({ queue }) },
  { title: 'Request latency', unit: seconds, lines: ({ latency }) => quantiles(latency) },
  { title: 'Queue wait', unit: seconds, lines: ({ wait }) => quantiles(wait) },
  {
    title: 'Stage latency, p50',
    unit: seconds,
    empty: 'none yet',
    lines: ({ stages }) => Object.fromEntries(stages.map(({ stage, p50 }) => [stage, p50])),
  },
  {
    title: 'Candidates of a batch, mean',
    unit: count,
    lines: ({ batch, batchLimit }) => ({ batch, ...(batchLimit !== undefined && { limit: batchLimit }) }),
  },
  {
    title: 'Nodes, bytes per second',
    unit: bytes,
    remote: true,
    lines: ({ remote }) => ({
      ...ways(remote?.traffic),
      ...(remote?.cache && { saved: remote.cache.saved }),
    }),
  },
  { title: 'Clients, bytes per second', unit: bytes, lines: ({ clients }) => ways(clients) },
  {
    title: 'Processors busy',
    unit: count,
    lines: ({ cpu, collecting }) => ({ all: cpu, GC: collecting }),
  },
  {
    title: 'Memory',
    unit: bytes,
    lines: ({ resident, heap, remote }) => ({
      ...{ resident, heap },
      ...(remote?.cache && { cache: remote.cache.memory }),
      ...(remote?.cache?.target !== undefined && { 'cache, target': remote.cache.target }),
    }),
  },
];
