import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** The ranker and the memory node need one processor each. */
const idleProcessorsMin = 1.8;
const lookMs = 150;

/** Waits while this machine is busy with other work, up to a limit. */
export class Calm {
  #patienceMs: number;

  /** @param patienceMs the limit for all waits together */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  async wait(): Promise<void> {
    while (this.#patienceMs > 0 && (await idleProcessors()) < idleProcessorsMin) this.#patienceMs -= lookMs;
  }
}

/** @returns how many processors are idle */
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
