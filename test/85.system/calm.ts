import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Ranker and memory node need a processor each, to themselves. */
const idleProcessorsMin = 1.8;
const lookMs = 150;

/** Waits while this machine does other things, but not for ever. */
export class Calm {
  #patienceMs: number;

  /** @param patienceMs of all waits together */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  async wait(): Promise<void> {
    while (this.#patienceMs > 0 && (await idleProcessors()) < idleProcessorsMin) this.#patienceMs -= lookMs;
  }
}

/** So many had nothing to do for a moment. */
async function idleProcessors(): Promise<number> {
  const before = ticks();
  await sleep(lookMs);
  const after = ticks();
  return (cpus().length * (after.idle - before.idle)) / Math.max(1, after.all - before.all);
}

function ticks(): { readonly idle: number; readonly all: number } {
  const times = cpus().map((cpu) => cpu.times);
  const idle = times.reduce((sum, one) => sum + one.idle, 0);
  return { idle, all: times.reduce((sum, one) => sum + one.user + one.nice + one.sys + one.irq, idle) };
}
