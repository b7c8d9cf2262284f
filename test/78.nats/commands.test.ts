// Commands with a cluster in NATS that cannot be reached.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { main, refused, requestsFile, run, tablesFile } from '../80.cli/command.ts';

const nowhere = 'nats://user:s3cret@127.0.0.1:9/flexemr';
const planning = ['plan', '--tables', tablesFile, '--nodes', '2'];
const lookingUp = ['lookup', '--requests', requestsFile, '--out', 'never.safetensors'];

test('without the packages of NATS, the error says what to install', () => {
  const preload = join(import.meta.dirname, 'without-nats.ts');
  const { code, stdout, stderr } = run('--import', preload, main, 'status', '--routing', nowhere);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(
    /^flexemr: MISSING_DEPENDENCY: .*npm install @nats-io\/transport-node @nats-io\/jetstream @nats-io\/kv .*\n$/,
  );
});

test.for([
  ['status', ['status', '--routing', nowhere]],
  ['plan', [...planning, '--publish', nowhere]],
  ['lookup', [...lookingUp, '--routing', nowhere]],
  ['serve', ['serve', '--tables', tablesFile, '--plan', nowhere, '--node', 'node0']],
  ['dump', ['dump', '--since', '0', '--out', 'never.safetensors', '--routing', nowhere]],
  ['snapshot', ['snapshot', '--out', 'never.safetensors', '--routing', nowhere]],
] as const)('%s says that NATS does not answer, and no password', ([, args]) => {
  refused(
    args,
    1,
    /UNAVAILABLE: nats:\/\/127\.0\.0\.1:9\/flexemr: cannot connect: .*ECONNREFUSED(?!.*s3cret)/,
  );
});

test.for([
  ['status', ['status', '--routing', 'plan.json']],
  ['plan', planning],
  ['plan', [...planning, '--publish', 'plan.json']],
  ['lookup', [...lookingUp, '--routing', 'plan.json']],
  ['serve', ['serve', '--tables', tablesFile, '--plan', 'plan.json', '--node', 'node0']],
  ['dump', ['dump', '--since', '0', '--out', 'never.safetensors', '--routing', 'plan.json']],
  ['snapshot', ['snapshot', '--out', 'never.safetensors', '--routing', 'plan.json']],
] as const)('%s refuses credentials of NATS where nothing is in NATS', ([, args]) => {
  refused(
    [...args, '--nats-creds', 'file'],
    2,
    /'--nats-creds <file>' is for NATS: give --(routing|publish|plan) nats:/,
  );
});

test('a plan is published only to NATS', () => {
  refused([...planning, '--if-absent'], 2, /'--if-absent' is for a cluster in NATS: give --publish too/);
  refused([...planning, '--publish', 'plan.json'], 1, /INVALID_OPTION: .*nats:\/\/HOST:PORT\/BUCKET/);
});

test.for([['dump', '--since', '0'], ['snapshot']])('%s needs a cluster in NATS', (args) => {
  refused(
    [...args, '--out', 'never.safetensors', '--routing', 'plan.json'],
    1,
    /INVALID_OPTION: routing: expected a cluster in NATS/,
  );
});

test('a file of credentials that cannot be read', () => {
  refused(['status', '--routing', nowhere, '--nats-creds', 'absent'], 1, /INVALID_FILE: cannot read absent/);
});
