// What docs/deployment.md says of failures, tried on the services of deploy/compose.yaml: requests go on, and this is what is seen.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Stack, tokens } from './stack.ts';

const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack[Symbol.asyncDispose]());

const statuses = async (): Promise<Set<number>> =>
  new Set(await Promise.all(Array.from({ length: 8 }, async () => (await stack.rank()).status)));
const answered = new Set([200]);

const logged = (name: string, message: string): number =>
  stack.of(name).output.split(`"${message}"`).length - 1;

/** The samples of the ranker, by name and labels. */
async function metric(id: string): Promise<string | undefined> {
  const headers = { authorization: `Bearer ${tokens['clients-token']}` };
  const text = await (await fetch(`http://${stack.address('ranker')}:8080/metrics`, { headers })).text();
  return text
    .split('\n')
    .find((line) => line.startsWith(`${id} `))
    ?.split(' ')[1];
}

const status = (): Promise<{ readonly code: number | null; readonly output: string }> =>
  stack.run(['status', '--routing=nats://nats:4222/flexemr', '--token-file=/run/secrets/nodes-token']);

test('a node that dies', async () => {
  stack.of('node-a').kill('SIGKILL');
  expect(await statuses()).toEqual(answered);
  await expect.poll(() => logged('ranker', 'a memory node does not answer')).toBe(1);
  expect(await metric('flexemr_ranker_node_up{node="a"}')).toBe('0');
  await expect.poll(async () => (await status()).output).toMatch(/^a .* no .* suspect /m);
  stack.restart('node-a');
  await stack.healthy('node-a');
  await expect.poll(() => logged('ranker', 'the memory node answers again')).toBe(1);
  expect(await statuses()).toEqual(answered);
});

test('NATS that is away, and comes back with an empty disk', async () => {
  stack.of('nats').kill('SIGKILL');
  await stack.of('nats').exited;
  expect(await statuses()).toEqual(answered);
  await expect.poll(() => logged('ranker', 'the changed routing table cannot be used')).toBe(1);
  expect(await status()).toMatchObject({
    code: 1,
    output: expect.stringMatching(/UNAVAILABLE: .*cannot connect/),
  });
  stack.wipe('nats');
  stack.restart('nats');
  await stack.healthy('nats');
  await expect.poll(() => logged('ranker', 'the changed routing table cannot be used')).toBe(2);
  expect(await status()).toMatchObject({ code: 1, output: expect.stringContaining('there is no cluster') });
  expect(await statuses()).toEqual(answered);
  stack.restart('plan');
  expect(await stack.of('plan').exited).toMatchObject({ code: 0 });
  await expect
    .poll(async () => (await status()).output)
    .toMatch(/^a .* yes .*\nb .* yes .*\n\nranker .*\n\S+ .*\d s/m);
  expect(await statuses()).toEqual(answered);
});

test('an upgrade: nodes are replaced one after the other, and no request fails', async () => {
  let going = true;
  const seen = new Set<number>();
  const asking = (async () => {
    while (going) for (const each of await statuses()) seen.add(each);
  })();
  for (const name of ['node-a', 'node-b']) {
    stack.of(name).kill('SIGTERM');
    expect(await stack.of(name).exited).toMatchObject({ code: 0 });
    await expect.poll(() => metric(`flexemr_ranker_node_up{node="${name.slice(-1)}"}`)).toBe('0');
    stack.restart(name);
    await stack.healthy(name);
    await expect.poll(() => metric(`flexemr_ranker_node_up{node="${name.slice(-1)}"}`)).toBe('1');
  }
  going = false;
  await asking;
  expect(seen).toEqual(answered);
});

test('a token that is rotated: the nodes one after the other, and then the rankers', async () => {
  stack.rotate('nodes-token', 'r'.repeat(64));
  const restart = async (name: string): Promise<void> => {
    stack.of(name).kill('SIGTERM');
    expect(await stack.of(name).exited).toMatchObject({ code: 0 });
    stack.restart(name);
  };
  await restart('node-b');
  await stack.healthy('node-b');
  // The ranker has the old token still, and so has the other node.
  await expect.poll(() => metric('flexemr_ranker_node_up{node="b"}')).toBe('0');
  expect(await statuses()).toEqual(answered);
  await restart('node-a');
  await stack.healthy('node-a');
  // No node takes the old token any more.
  const refused = await stack.rank();
  expect({ status: refused.status, text: await refused.text() }).toEqual({
    status: 500,
    text: expect.stringMatching(/NODE_FAILED.*refuses this ranker: give the node's token/),
  });
  await restart('ranker');
  await stack.healthy('ranker');
  expect(await statuses()).toEqual(answered);
});

test('a clock that is an hour ahead', async () => {
  stack.of('node-b').kill('SIGTERM');
  await stack.of('node-b').exited;
  const ahead = 'const now = Date.now; Date.now = () => now() + 3_600_000;';
  stack.restart('node-b', { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(ahead)}` });
  await stack.healthy('node-b');
  const before = await metric('flexemr_ranker_subrequest_duration_seconds_count{node="b"}');
  await expect
    .poll(async () => {
      expect(await statuses()).toEqual(answered);
      return await metric('flexemr_ranker_subrequest_duration_seconds_count{node="b"}');
    })
    .not.toBe(before);
  await expect.poll(async () => (await status()).output).toMatch(/^b .* yes .* \d+\.\d s /m);
});

test('a ranker that dies', async () => {
  stack.of('ranker').kill('SIGKILL');
  await stack.of('ranker').exited;
  await expect.poll(async () => (await status()).output).toContain('no ranker has a lease');
  stack.restart('ranker');
  await stack.healthy('ranker');
  expect(await statuses()).toEqual(answered);
});
