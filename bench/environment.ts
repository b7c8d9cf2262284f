import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import type { Native } from './bars.ts';

/** Properties of the machine that a reader must know to compare figures. */
export interface Environment {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly v8: string;
  /** For benchmarks with native bars: the compiler and instruction set of the bars, or why there are no bars. */
  readonly compiler?: string;
  readonly isa?: string;
  readonly barsAbsent?: string;
  /** Policy of the Linux kernel. WebAssembly memory gets huge pages only with `always`. */
  readonly transparentHugePages: string;
  /** Mean load in the minute before the run. It shows whether other programs were busy. */
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
    ...(env.barsAbsent
      ? [`no native bars (${env.barsAbsent}): our figures are not compared with anything`]
      : []),
    `huge pages: ${env.transparentHugePages}; load before the run: ${env.load.toFixed(2)}`,
  ].join('\n');
}
