// A process with a ranker. Some lookups need all nodes, others all but the slow one. Argument: the setting, as JSON.
import { fixWindows } from './fixed-windows.ts';
import {
  bagsOf,
  nodes,
  ratesOf,
  routingOf,
  slowNode,
  type WindowRates,
  type WindowSetting,
} from './window-tables.ts';

/** What a ranker with real nodes has seen. */
export interface RankerResult {
  readonly everywhere: WindowRates;
  readonly elsewhere: WindowRates;
  /** Of its process, for all lookups. */
  readonly cpuMs: number;
}

const setting: WindowSetting & { readonly ports: readonly number[] } = JSON.parse(process.argv[2]);
if (setting.fixed) fixWindows();
const { openRanker } = await import('../../src/host/open-ranker.ts');
const { ports, seconds, bags, replyBytes, deadline } = setting;
const ranker = await openRanker({ routing: routingOf(ports), replyBytes, pushDown: 'always' });
const all = Array.from({ length: nodes }, (_, i) => i);

/** So many lookups at a time, until the time is over. */
async function load(numbers: readonly number[], atOnce: number): Promise<WindowRates> {
  const wanted = bagsOf(numbers, bags);
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
  return ratesOf(times, late, performance.now() - began);
}

for (let i = 0; i < 200; i++) (await ranker.lookup(bagsOf(all, bags)))[Symbol.dispose]();
const { user, system } = process.cpuUsage();
const [everywhere, elsewhere] = await Promise.all([
  load(all, setting.everywhere),
  load(
    all.filter((i) => i !== slowNode),
    setting.elsewhere,
  ),
]);
const used = process.cpuUsage();
const cpuMs = (used.user + used.system - user - system) / 1_000;
const result: RankerResult = { everywhere, elsewhere, cpuMs };
process.send?.(result);
await ranker.close();
process.disconnect?.();
