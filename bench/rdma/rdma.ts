// npm run bench -- rdma: the CPU time of a subrequest over RDMA in JavaScript, without the pooling kernel and the verbs
// provider. The provider is the stand-in of the tests. It and all nodes are in this process.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { buildStandIn, missingPackages } from '../../test/rdma/stand-in/build.ts';
import { describe, environment } from '../environment.ts';
import { median } from '../measure.ts';
import { Absent } from '../usage.ts';

/** Numbers of nodes to which one transport sends subrequests. */
const nodeCounts = [1, 2, 4, 8] as const;
const course = { rounds: 7, exchanges: 40_000, soak: 1_000_000 };

interface Row {
  readonly nodes: number;
  /** CPU ns per exchange at both ends. It is the sum of `kernel`, `provider` and `ours`, which are their parts. */
  readonly total: number;
  readonly kernel: number;
  readonly provider: number;
  readonly ours: number;
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: 'string' } } });
  const missing = missingPackages();
  if (missing !== undefined) throw new Absent(`NOT MEASURED: apt-get install ${missing}`);
  execFileSync(process.execPath, ['native/build.ts'], { stdio: 'inherit' });
  process.env.IBVERBS_LIBRARY = buildStandIn();
  // These modules load the verbs, which read the environment at that time. So they are imported only now.
  const { Exchanges } = await import('./exchanges.ts');
  const { VerbsAlone } = await import('./verbs-alone.ts');
  const env = environment();
  console.log(describe(env));
  console.log('\nnodes   CPU ns a subrequest   kernel   provider   the rest (aim: 2,000)');
  const rows: Row[] = [];
  const alone = new VerbsAlone();
  for (const nodes of nodeCounts) {
    await using exchanges = await Exchanges.open(nodes);
    await exchanges.run(course.exchanges);
    const measured: { readonly total: number; readonly kernel: number; readonly provider: number }[] = [];
    for (let round = 0; round < course.rounds; round++) {
      const provider = alone.run(course.exchanges);
      measured.push({ ...(await exchanges.run(course.exchanges)), provider });
    }
    const row = {
      nodes,
      total: median(measured.map(({ total }) => total)),
      kernel: median(measured.map(({ kernel }) => kernel)),
      provider: median(measured.map(({ provider }) => provider)),
      ours: median(measured.map(({ total, kernel, provider }) => total - kernel - provider)),
    };
    rows.push(row);
    const cell = (ns: number, width: number): string => Math.round(ns).toLocaleString('en').padStart(width);
    console.log(
      `${String(nodes).padStart(5)}${cell(row.total, 22)}${cell(row.kernel, 9)}${cell(row.provider, 11)}${cell(row.ours, 11)}`,
    );
  }
  alone.close();
  await using exchanges = await Exchanges.open(1);
  await exchanges.run(course.exchanges);
  const before = heapBytes();
  await exchanges.run(course.soak);
  const grown = heapBytes() - before;
  console.log(
    `\nheap after ${course.soak.toLocaleString('en')} subrequests: ${grown} bytes more than before`,
  );
  if (values.json !== undefined)
    writeFileSync(
      values.json,
      `${JSON.stringify({ benchmark: 'rdma', environment: env, rows, grown }, null, 2)}\n`,
    );
}

/** Bytes of the JavaScript heap that are in use after a garbage collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
