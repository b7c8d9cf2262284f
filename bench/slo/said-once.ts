// npm run bench -- said-once: a user and many candidates, of whom much is the same. Compares a request that says it for
// each candidate with one that says it once.
import { parseArgs } from 'node:util';
import { describe, environment } from '../environment.ts';
import { candidates, longestOf, users } from '../serving/candidates.ts';
import { cpuUsOf } from '../serving/cpu.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { pickBags } from '../serving/requests.ts';
import { describeWorkload, type FeatureBags, sum } from '../serving/workload.ts';
import { scoresOf } from './agreement.ts';
import { bagTensors, denseTensor, type InferBody, inferBody } from './infer-body.ts';
import { type Readings, readMetrics } from './metrics.ts';
import { chosen } from './options.ts';
import { type ScoredModel, scoredModels } from './scored-model.ts';
import { ModelFiles, type Service } from './services.ts';

const deadlineMs = 30_000;

interface Way {
  readonly name: string;
  readonly bodies: readonly InferBody[];
  /** Of all rounds: µs of CPU of the ranker and of the nodes, bytes of the nodes, requests. */
  rankerUs: number;
  nodesUs: number;
  replyBytes: number;
  requests: number;
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
  for (let round = 0; round < Number(rounds); round++)
    for (const way of ways) await measure(service, way, round > 0);
  console.log(`\n${describeWorkload(model.workload)}`);
  console.log(table(ways));
}

async function wayOf(name: string, { workload, dense }: ScoredModel, once: boolean): Promise<Way> {
  const requests = await workload.requests(workload.skews.at(-1));
  const width = (await dense(1)).length;
  const rows = await dense(users);
  const bodies = Array.from({ length: users }, (_, user) => {
    const row = rows.subarray(user * width, (user + 1) * width);
    return bodyOf(requests, row, user, once);
  });
  return { name, bodies, rankerUs: 0, nodesUs: 0, replyBytes: 0, requests: 0 };
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

async function measure({ url, pid, storePids, name }: Service, way: Way, counts: boolean): Promise<void> {
  const received = (read: Readings): number => read('flexemr_ranker_received_bytes_total');
  const [before, rankerUs, nodesUs] = [await readMetrics(url), cpuUsOf([pid]), cpuUsOf(storePids)];
  for (const body of way.bodies) await scoresOf({ name, url }, body);
  if (!counts) return;
  way.rankerUs += cpuUsOf([pid]) - rankerUs;
  way.nodesUs += cpuUsOf(storePids) - nodesUs;
  way.replyBytes += received(await readMetrics(url)) - received(before);
  way.requests += way.bodies.length;
}

function table(ways: readonly Way[]): string {
  const head = ['request bytes', 'bytes of nodes', 'ranker µs', 'nodes µs', 'CPU µs'];
  const rows = ways.map(({ bodies, rankerUs, nodesUs, replyBytes, requests }) => [
    sum(bodies.map(({ bytes }) => bytes.length)) / bodies.length,
    ...[replyBytes, rankerUs, nodesUs, rankerUs + nodesUs].map((x) => x / requests),
  ]);
  const line = (name: string, cells: readonly string[]): string =>
    name.padEnd(28) + cells.map((cell) => cell.padStart(16)).join('');
  const numbers = rows.map((row, i) =>
    line(
      ways[i].name,
      row.map((x) => Math.round(x).toLocaleString('en')),
    ),
  );
  const ratios = line(
    'times less',
    rows[0].map((x, i) => (x / rows[1][i]).toFixed(2)),
  );
  return [line(`a request of ${candidates} candidates`, head), ...numbers, ratios].join('\n');
}
