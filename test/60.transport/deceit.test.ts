// For any answer of a peer, a lookup ends in time with a typed error and frees its memory, and later lookups succeed.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Cluster } from '../cluster.ts';
import { contenders } from './contenders.ts';
import { answers, Deceiver, speeches } from './deceiver.ts';

const deadlineMs = 300;
/** The limit for the growth of memory because of these peers. */
const rssBytesMax = 200_000_000;

let cluster: Cluster;
let deceiver: Deceiver;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  deceiver = await Deceiver.open(cluster.nodes[0].url);
});
afterAll(async () => {
  await deceiver?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

function ranker(by: string): Promise<Ranker> {
  const contender = contenders.find(({ name }) => name === by);
  const nodes = cluster.routing.nodes.map((node) => ({ ...node, url: deceiver.url }));
  const transport = contender?.open(cluster, {}) as StreamTransport;
  return cluster.ranker({ routing: { ...cluster.routing, nodes }, transport });
}

const [{ spec }] = wholeNumbers;
const bags = { [spec.name]: { keys: [1, 2, 3], offsets: [0, 2] } };

/** Starts several lookups, and expects that all end in time. @returns their errors */
async function deceived(of: Ranker): Promise<FlexemrError[]> {
  const before = process.memoryUsage.rss();
  const began = performance.now();
  const lookups = Array.from({ length: 5 }, () => of.lookup(bags, { deadline: deadlineMs }));
  const ended = await Promise.allSettled(lookups);
  expect(performance.now() - began).toBeLessThan(deadlineMs + 3_000);
  expect(process.memoryUsage.rss() - before).toBeLessThan(rssBytesMax);
  return ended.map((end) => {
    expect(end.status).toBe('rejected');
    const { reason } = end as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(FlexemrError);
    expect(reason.message).not.toMatch(/Cannot read|is not a function|Invalid array|RangeError/);
    return reason;
  });
}

/** Expects that a ranker uses the peer again when it is honest. */
async function recovers(of: Ranker): Promise<void> {
  const answered = async (): Promise<boolean> =>
    await of.lookup(bags, { deadline: 1_000 }).then(
      (pooled) => pooled.get(spec.name) !== undefined,
      () => false,
    );
  await expect.poll(answered, { timeout: 5_000 }).toBe(true);
}

describe.for(['http', 'fetch'])('by %s', (by) => {
  test.for(Object.entries(answers))('%s', async ([, answer]) => {
    await using of = await ranker(by);
    await recovers(of);
    deceiver.answer = answer;
    const errors = await deceived(of);
    expect(errors.map(({ code }) => code)).toEqual(
      errors.map(() => expect.stringMatching(/^(UNAVAILABLE|INVALID_FRAME|DEADLINE_EXCEEDED)$/)),
    );
    deceiver.answer = undefined;
    await recovers(of);
  });

  test('a redirect is not followed, and the error names it', async () => {
    await using of = await ranker(by);
    const { strays } = deceiver;
    deceiver.answer = answers['a redirect'];
    const errors = await deceived(of);
    deceiver.answer = undefined;
    expect(errors[0].message).toMatch(/redirect|HTTP 307/);
    expect(deceiver.strays).toBe(strays);
  });
});

test.for(Object.entries(speeches))('by a stream: %s', async ([, speech]) => {
  await using of = await ranker('stream');
  await recovers(of);
  deceiver.speech = speech;
  // Close this ranker, because its open stream is an honest one.
  await of.close();
  await using other = await ranker('stream');
  await deceived(other);
  deceiver.speech = undefined;
  await recovers(other);
});

test('a node without a port in its URL is reached at the default port of its protocol', () => {
  // Tests cannot listen at ports below 1024, so this checks the port in the error.
  const transport = new StreamTransport(new HttpTransport());
  const outgoing = { bytes: 64, replyBytes: 64, replyBytesMax: 64, write: () => {} };
  const refused = ['http', 'https'].map(async (protocol) => {
    // Nothing listens at this address, so connecting fails at once, with the port in the error.
    const { reply } = transport.session(`${protocol}://127.0.0.2`).send(outgoing);
    return await reply.catch((error: FlexemrError) => (error.cause as { port?: number }).port);
  });
  return expect(Promise.all(refused)).resolves.toEqual([80, 443]);
});
