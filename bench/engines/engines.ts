// npm run bench -- engines: threads of a ranker, each with connections of its own. The parts are independent of each other.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { UsageError } from '../usage.ts';

export interface PartOptions {
  /** Fewer samples: a test of the benchmark, not of the machine. */
  readonly quick: boolean;
  /** Runs on Soft-RoCE in a guest instead of the stand-in, if the part can do that. */
  readonly guest: boolean;
}

/** Prints its table. @returns what `--json` saves besides the environment */
type Part = (options: PartOptions) => Promise<object>;

const parts: Record<string, () => Promise<{ readonly run: Part }>> = {
  doorbells: () => import('./doorbells.ts'),
  grants: () => import('./grants.ts'),
  'hand-over': () => import('./hand-over.ts'),
  scaling: () => import('./scaling.ts'),
  migration: () => import('./migration.ts'),
  skewed: () => import('./skewed.ts'),
};

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      guest: { type: 'boolean', default: false },
    },
  });
  const { only, json, quick, guest } = values;
  if (only !== undefined && !Object.hasOwn(parts, only))
    throw new UsageError(`there is no part '${only}'; use one of: ${Object.keys(parts).join(', ')}`);
  if (json !== undefined && only === undefined)
    throw new UsageError('--json saves one part, so it needs --only');
  const env = environment();
  console.log(describe(env));
  for (const name of only === undefined ? Object.keys(parts) : [only]) {
    console.log(`\n== ${name}`);
    const { run: runPart } = await parts[name]();
    const result = await runPart({ quick, guest });
    if (json !== undefined) {
      const file = { benchmark: `engines-${name}`, environment: env, quick, ...result };
      writeFileSync(json, `${JSON.stringify(file, null, 2)}\n`);
    }
  }
}
