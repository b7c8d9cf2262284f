// A process with a ranker. Some lookups need all nodes, others all but the slow one. Argument: the options, as JSON.
import { registerHooks } from 'node:module';
import { nodes, routingOf, slowNode, tables } from './window-tables.ts';

export interface WindowOptions {
  readonly ports: readonly number[];
  /** The window stays as it is at the start. */
  readonly fixed: boolean;
  readonly seconds: number;
  /** Lookups at a time that need all nodes, and those that do not need the slow one. */
  readonly everywhere: number;
  readonly elsewhere: number;
  readonly bags: number;
  readonly replyBytes: number;
  readonly deadline: number;
}

export interface WindowRates {
  readonly perSecond: number;
  readonly late: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

export interface WindowResult {
  readonly everywhere: WindowRates;
  readonly elsewhere: WindowRates;
  /** Of the ranker, for all lookups. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

const keysOfBag = 20;
const options: WindowOptions = JSON.parse(process.argv[2]);
if (options.fixed) {
  // The same code, with a target that no queue reaches.
  const [name, text] = ['/src/credit-limits.ts', 'windowTargetMs = 5'];
  registerHooks({
    load(url, context, next) {
      const result = next(url, context);
      if (!url.endsWith(name)) return result;
      const source = String(result.source);
      if (!source.includes(text)) throw new Error(`${name} does not say ${text}`);
      return { ...result, source: source.replace(text, 'windowTargetMs = 1e9') };
    },
  });
}
const { openRanker } = await import('../../src/host/open-ranker.ts');
const { ports, seconds, bags, replyBytes, deadline } = options;
const ranker = await openRanker({ routing: routingOf(ports), replyBytes, pushDown: 'always' });
const all = Array.from({ length: nodes }, (_, i) => i);
const asked = (numbers: readonly number[]) =>
  Object.fromEntries(
    numbers.map((i) => {
      const keys = Uint32Array.from({ length: bags * keysOfBag }, (_, at) => (at * 7_919) % tables[i].rows);
      return [
        tables[i].name,
        { keys, offsets: Uint32Array.from({ length: bags }, (_, bag) => bag * keysOfBag) },
      ];
    }),
  );

/** So many lookups at a time, until the time is over. */
async function load(numbers: readonly number[], atOnce: number): Promise<WindowRates> {
  const wanted = asked(numbers);
  const times: number[] = [];
  let late = 0;
  const began = performance.now();
  const loop = async (): Promise<void> => {
    while (performance.now() < began + seconds * 1_000) {
      const since = performance.now();
      try {
        (await ranker.lookup(wanted, { deadline }))[Symbol.dispose]();
        times.push(performance.now() - since);
      } catch {
        late++;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
  const perSecond = (times.length * 1_000) / (performance.now() - began);
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  return { perSecond, late, medianMs: at(0.5), p99Ms: at(0.99) };
}

for (let i = 0; i < 200; i++) (await ranker.lookup(asked(all)))[Symbol.dispose]();
const { user, system } = process.cpuUsage();
const [everywhere, elsewhere] = await Promise.all([
  load(all, options.everywhere),
  load(
    all.filter((i) => i !== slowNode),
    options.elsewhere,
  ),
]);
const used = process.cpuUsage();
const cpuMs = (used.user + used.system - user - system) / 1_000;
const result: WindowResult = { everywhere, elsewhere, cpuMs, rssBytes: process.memoryUsage.rss() };
process.send?.(result);
await ranker.close();
process.disconnect?.();
