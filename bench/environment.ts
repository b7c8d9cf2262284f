import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import type { Native } from './bars.ts';

/** What a reader must know to compare figures. */
export interface Environment {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly v8: string;
  /** What the native bars were built with and for, or why there are none; of benchmarks that have such. */
  readonly compiler?: string;
  readonly isa?: string;
  readonly barsAbsent?: string;
  /** Policy of the kernel: WebAssembly memory gets huge pages under `always` only. */
  readonly transparentHugePages: string;
  /** Load of the last minute, before the run: others' work shows here. */
  readonly load: number;
  readonly date: string;
}

export function environment(native?: Native): Environment {
  return {
    cpu: cpus()[0].model,
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    v8: process.versions.v8,
    ...(native && barsOf(native)),
    transparentHugePages: hugePages(),
    load: loadavg()[0],
    date: new Date().toISOString(),
  };
}

function barsOf(native: Native): Partial<Environment> {
  return native.bars ? { compiler: native.compiler, isa: native.bars.isa } : { barsAbsent: native.absent };
}

function hugePages(): string {
  try {
    return (
      /\[(\w+)\]/.exec(readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8'))?.[1] ?? 'unknown'
    );
  } catch {
    return 'unknown';
  }
}

/** The head of a report. */
export function describe(env: Environment): string {
  return [
    `${env.cpu}, ${env.cpus} CPUs, ${env.memoryGiB} GiB; Node ${env.node}, V8 ${env.v8}`,
    ...(env.compiler ? [`bars: ${env.isa}, ${env.compiler}`] : []),
    ...(env.barsAbsent ? [`no native bars (${env.barsAbsent}): our own figures stand alone`] : []),
    `huge pages: ${env.transparentHugePages}; load before the run: ${env.load.toFixed(2)}`,
  ].join('\n');
}
