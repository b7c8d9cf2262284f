import { cpuUsOf } from '../serving/cpu.ts';
import type { Load } from './load.ts';
import type { Probe } from './result.ts';
import type { SenderProcess } from './sender-process.ts';
import { inferPath, type Service } from './services.ts';

/** Sends a load to a service, and measures what that takes. */
export async function probe(
  sender: SenderProcess,
  { url, pid, storePids }: Service,
  load: Load,
): Promise<Probe> {
  const groups = [[pid], storePids, [sender.pid]];
  const before = groups.map(cpuUsOf);
  const { due, sent, good, p50Ms, p99Ms } = await sender.send(url, inferPath, load);
  const [serviceUs, storeUs, senderUs] = groups.map((group, i) => (cpuUsOf(group) - before[i]) / sent);
  return { rate: load.rate, inTime: good / due, p50Ms, p99Ms, serviceUs, storeUs, senderUs };
}

/** The processes that take part in a measurement. */
export function pidsOf(services: readonly Service[], sender: SenderProcess): number[] {
  const pids = services.flatMap(({ pid, storePids }) => [pid, ...storePids]);
  return [...new Set(pids), sender.pid];
}
