// Clients of the scoring service get the probabilities that PyTorch computed, in JSON and in binary.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { example, flexemr } from '../80.cli/command.ts';
import { blocksOf, commandsOf } from './documented.ts';
import { binaryTensor, Example, jsonTensor, largestDifference } from './example.ts';
import { KServeClient } from './kserve-client.ts';
import { run } from './program.ts';
import { started, tables } from './ranker.ts';

const differenceMax = 1e-5;
const counts = [1, 16, 200];
const forms = ['json', 'binary'] as const;
const { url, model } = inject('service');
const dir = mkdtempSync(join(tmpdir(), 'flexemr-clients-'));
let requests: Example;
beforeAll(async () => {
  requests = await Example.open();
});
afterAll(() => rmSync(dir, { recursive: true }));

function check(probs: ArrayLike<number>, count: number): void {
  expect(probs.length).toBe(count);
  expect(largestDifference(probs, requests.probs.slice(0, count))).toBeLessThan(differenceMax);
}

describe.for(forms)('a client written from the specification, %s', (form) => {
  test.for(counts)('has %i candidates scored', async (count) => {
    const client = await KServeClient.open(url, model);
    const outputs = await client.infer(requests.tensors(0, count), form === 'binary');
    check(outputs.get('prob') ?? [], count);
  });

  test('has 200 requests scored at the same time', async () => {
    const client = await KServeClient.open(url, model);
    const all = Array.from(requests.probs, (_, i) =>
      client.infer(requests.tensors(i, i + 1), form === 'binary'),
    );
    check(
      (await Promise.all(all)).map((outputs) => outputs.get('prob')?.[0] ?? Number.NaN),
      200,
    );
  });
});

describe.for(forms)("Python's standard library, %s", (form) => {
  test.for(counts)('has %i candidates scored', async (count) => {
    const input = JSON.stringify(requests.tensors(0, count).map(jsonTensor));
    const script = join(import.meta.dirname, 'client.py');
    const { code, stdout, stderr } = await run('python3', [script, url, model, form], { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    check(JSON.parse(stdout), count);
  });
});

describe('curl, as docs/operating.md has it', () => {
  const [, rank, infer, binary] = commandsOf('Scoring over HTTP');
  const answers = blocksOf('Scoring over HTTP', 'json');
  const file = (name: string): string => join(dir, name);

  /** Runs commands, at the address of this service. @returns what they print */
  async function documented(commands: string): Promise<string> {
    await run('curl', ['--version']);
    const here = commands.replace('http://127.0.0.1:8080', url);
    expect(here).not.toBe(commands);
    const { code, stdout, stderr } = await run('bash', ['-euo', 'pipefail', '-c', here], { cwd: dir });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  }

  /** The command alone, without the file that it sends. */
  const command = (block: string): string => /^curl .*$/m.exec(block)?.[0] ?? expect.fail(block);

  test.for([
    ['the best candidates', rank, answers[0]],
    ['the outputs', infer, answers[1]],
  ])('answers what is printed: %s', async ([, block, answer]) => {
    const got = JSON.parse(await documented(block));
    expect(rounded(got)).toEqual(rounded(JSON.parse(answer)));
  });

  test.for(counts)('ranks %i candidates', async (count) => {
    writeFileSync(file('rank.json'), JSON.stringify(requests.call(0, count)));
    const { ranked } = JSON.parse(await documented(command(rank)));
    const probs: number[] = [];
    for (const { candidate, outputs } of ranked) probs[candidate] = outputs.prob;
    check(probs, count);
    const scores = ranked.map(({ score }: { score: number }) => score);
    expect(scores).toEqual(scores.toSorted((a: number, b: number) => b - a));
  });

  test.for(counts)('has %i candidates scored, json', async (count) => {
    const inputs = requests.tensors(0, count).map(jsonTensor);
    writeFileSync(file('infer.json'), JSON.stringify({ inputs, outputs: [{ name: 'prob' }] }));
    check(JSON.parse(await documented(command(infer))).outputs[0].data, count);
  });

  test.for(counts)('has %i candidates scored, binary', async (count) => {
    const tensors = requests.tensors(0, count);
    const outputs = [{ name: 'prob', parameters: { binary_data: true } }];
    writeFileSync(file('head.json'), JSON.stringify({ inputs: tensors.map(binaryTensor), outputs }));
    const bytes = tensors.map(({ data: { buffer, byteOffset, byteLength } }) =>
      Buffer.from(buffer, byteOffset, byteLength),
    );
    writeFileSync(file('tensors.bin'), Buffer.concat(bytes));
    expect(await documented(binary)).toBe('');
    const headers = readFileSync(file('answer.headers'), 'utf8');
    const begin = Number(/^inference-header-content-length: (\d+)\r$/im.exec(headers)?.[1]);
    const answer = readFileSync(file('answer.bin')).subarray(begin);
    check(new Float32Array(Uint8Array.from(answer).buffer), count);
  });
});

/** Numbers as they are printed, so that another processor may differ in the last bits. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Number(value.toFixed(4));
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(rounded);
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, rounded(own)]));
}

test('one network and its two halves give the same bits, from files and from a model.json', async () => {
  const halves = ['bottom.onnx', 'top.onnx'].map((name) => join(example, name));
  const { code, stdout, stderr } = flexemr('rank', ...tables, '--dense', ...halves, '--describe');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const described = join(dir, 'model.json');
  writeFileSync(described, stdout);
  const { service, ready } = await started(...tables, '--model', described);
  await using _ = service;
  const whole = await KServeClient.open(url, model);
  const split = await KServeClient.open(ready.url, ready.model);
  expect(split.metadata).toEqual(whole.metadata);
  for (const count of counts) {
    const inputs = requests.tensors(0, count);
    for (const binary of [true, false])
      expect(await split.infer(inputs, binary)).toEqual(await whole.infer(inputs, binary));
  }
});
