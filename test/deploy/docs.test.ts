// docs/deployment.md agrees with the files that it names and with what commands say.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../80.cli/command.ts';
import { root } from '../rdma/vitest-run.ts';

const text = readFileSync(join(root, 'docs/deployment.md'), 'utf8');
const all = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found]) => found);

test('the plan is the one that the command prints', () => {
  const [, command, output] = /^\$ flexemr (plan .*) --out plan\.json\n((?:.+\n)+)```/m.exec(text) ?? [];
  const args = command.split(' ').map((word) => (word.startsWith('examples/') ? join(root, word) : word));
  const { code, stdout } = run(join(root, 'src/cli/main.ts'), ...args);
  expect({ code, stdout }).toEqual({ code: 0, stdout: output });
});

test('the memory of a node is the sum that is named', () => {
  const [, mib, slots, worker, base, sum] =
    /2 × ([\d.]+) \+ (\d+) \+ (\d+) \+ (\d+) = (\d+) MiB/.exec(text)?.map(Number) ?? [];
  expect(Math.round(2 * mib + slots + worker + base)).toBe(sum);
  expect(text).toMatch(new RegExp(`^node2 .* ${mib} `, 'm'));
});

test('every file that is named is there, and every test', () => {
  const files = all(/`((?:deploy|docs)\/[\w./-]+)`/g).filter((file) => file !== 'deploy/secrets');
  const tests = all(/\b(test\/[\w./-]+\/[\w-]+)(?=[,\s|])/g).map((name) => `${name}.test.ts`);
  const manifests = all(/^\| `(\w+\.yaml)`/gm).map((name) => `deploy/kubernetes/${name}`);
  expect(tests.length).toBeGreaterThan(10);
  expect([...files, ...tests, ...manifests].filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
