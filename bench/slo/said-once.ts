// npm run bench -- said-once: a user and many candidates, of whom much is the same. Compares a request that says it for
// each candidate with one that says it once.
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { median } from '../measure.ts';
import { candidates, longestOf, users } from '../serving/candidates.ts';
import { cpuUsOf, mainThreadUsOf } from '../serving/cpu.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { pickBags } from '../serving/requests.ts';
import { describeWorkload, type FeatureBags, sum } from '../serving/workload.ts';
import { scoresOf } from './agreement.ts';
import { bagTensors, denseTensor, type InferBody, inferBody } from './infer-body.ts';
import { readMetrics } from './metrics.ts';
import { chosen } from './options.ts';
import { type ScoredModel, scoredModels } from './scored-model.ts';
import { ModelFiles, type Service } from './services.ts';

const deadlineMs = 30_000;

interface Way {
  readonly name: string;
  readonly bodies: readonly InferBody[];
}

/** What one request takes. CPU is in µs. */
interface Cost {
  readonly requestBytes: number;
  readonly nodeBytes: number;
  /** Of the ranker: its main thread, and all others, which run the networks. */
  readonly mainUs: number;
  readonly networksUs: number;
  readonly nodesUs: number;
}

export async function run(args: string[]): Promise<void> {
  const options = { rounds: { type: 'string', default: '20' } } as const;
  const { rounds } = parseArgs({ args, options }).values;
  console.log(describe(environment()));
  const models = await scoredModels(false);
  const [model] = chosen('--only', models, ({ workload }) => workload.name, ['mlperf']);
  await using files = await ModelFiles.write(new Leftovers(), model);
  const service = await files.overNodes('flexemr');
  const ways = [await wayOf('said for each candidate', model, false), await wayOf('said once', model, true)];
  await checkBits(service, ways);
  const costs = ways.map(() => [] as Cost[]);
  for (const { bodies } of ways) await measure(service, bodies);
  for (let round = 0; round < Number(rounds); round++)
    for (const [i, { bodies }] of ways.entries()) costs[i].push(await measure(service, bodies));
  console.log(`\n${describeWorkload(model.workload)}`);
  console.log(table(ways, costs));
}

async function wayOf(name: string, { workload, dense }: ScoredModel, once: boolean): Promise<Way> {
  const requests = await workload.requests(workload.skews.at(-1));
  const width = (await dense(1)).length;
  const rows = await dense(users);
  const bodies = Array.from({ length: users }, (_, user) => {
    const row = rows.subarray(user * width, (user + 1) * width);
    return bodyOf(requests, row, user, once);
  });
  return { name, bodies };
}

function bodyOf(
  requests: readonly FeatureBags[],
  dense: Float32Array,
  user: number,
  once: boolean,
): InferBody {
  const all = Array.from({ length: candidates }, (_, i) => i);
  const ofUser = longestOf(requests);
  const bags = requests.map((feature) => {
    if (!ofUser.includes(feature))
      return pickBags(
        feature,
        all.map((i) => user * candidates + i),
      );
    return pickBags(feature, once ? [user] : all.map(() => user));
  });
  const rows = once ? dense : Float32Array.from(all.flatMap(() => [...dense]));
  return inferBody([...bags.flatMap(bagTensors), denseTensor('dense', dense.length, rows)], deadlineMs);
}

/** @throws Error if the ways do not give the same bits */
async function checkBits(service: Service, ways: readonly Way[]): Promise<void> {
  for (let user = 0; user < users; user++) {
    const [first, other] = await Promise.all(ways.map(({ bodies }) => scoresOf(service, bodies[user])));
    for (const [output, values] of first) {
      const got = other.get(output);
      if (values.length !== candidates || !values.every((value, i) => Object.is(value, got?.[i])))
        throw new Error(`output ${output} of user ${user} depends on how the request says it`);
    }
  }
  console.log(`the same bits for ${users} users with ${candidates} candidates each`);
}

async function measure({ url, pid, storePids, name }: Service, bodies: readonly InferBody[]): Promise<Cost> {
  const used = (): number[] => [mainThreadUsOf(pid), cpuUsOf([pid]), cpuUsOf(storePids)];
  const [before, usedBefore] = [await readMetrics(url), used()];
  for (const body of bodies) await scoresOf({ name, url }, body);
  const [mainUs, rankerUs, nodesUs] = used().map((us, i) => (us - usedBefore[i]) / bodies.length);
  const after = await readMetrics(url);
  const received = 'flexemr_ranker_received_bytes_total';
  return {
    requestBytes: sum(bodies.map(({ bytes }) => bytes.length)) / bodies.length,
    nodeBytes: (after(received) - before(received)) / bodies.length,
    ...{ mainUs, networksUs: rankerUs - mainUs, nodesUs },
  };
}

const columns = {
  requestBytes: 'request bytes',
  nodeBytes: 'bytes of nodes',
  mainUs: 'ranker µs',
  networksUs: 'networks µs',
  nodesUs: 'nodes µs',
} as const satisfies Record<keyof Cost, string>;

/** @param costs of each way, by round */
function table(ways: readonly Way[], costs: readonly (readonly Cost[])[]): string {
  const fields = Object.keys(columns) as (keyof Cost)[];
  const medians = costs.map((rounds) => fields.map((field) => median(rounds.map((cost) => cost[field]))));
  const line = (name: string, cells: readonly string[]): string =>
    name.padEnd(28) + cells.map((cell) => cell.padStart(16)).join('');
  const rows = medians.map((row, i) => {
    return line(
      ways[i].name,
      row.map((x) => Math.round(x).toLocaleString('en')),
    );
  });
  const ratios = medians[0].map((x, i) => (x / medians[1][i]).toFixed(2));
  const head = line(`a request of ${candidates} candidates`, Object.values(columns));
  return [head, ...rows, line('times less', ratios)].join('\n');
}
