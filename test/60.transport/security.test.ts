// Nodes refuse rankers without permission, and rankers refuse nodes that they cannot trust.
import { describe, expect, test } from 'vitest';
import type { ClientSecurity } from '../../src/transport/security.ts';
import { certificates } from './certificates.ts';
import { contenders } from './contenders.ts';
import { Rig, refused } from './rig.ts';

const bytes = 64;
/** Any frame, because it must not be read. */
const outgoing = { bytes, replyBytes: bytes, replyBytesMax: bytes, write: () => {} };

describe.for(contenders.filter(({ server }) => server.token !== undefined))('$name', (of) => {
  test.for([
    ['no token', undefined],
    ['another token', 'another token of many letters'],
    ['a longer token', `${of.server.token}.`],
    ['an empty token', ''],
  ])('refuses %s', async ([, token]) => {
    await using rig = await Rig.start(of, 1);
    const client = { ...of.client, token };
    const error = await refused(rig.ranker(client));
    expect(error).toMatchObject({ code: 'UNAUTHORIZED', field: 'token' });
    expect(error.message).toContain(rig.cluster.nodes[0].url);
    // The node also refuses a session that did not ask for its tables first.
    const transport = await of.open(rig.cluster, client);
    const session = transport.session(rig.cluster.nodes[0].url);
    expect((await refused(session.send(outgoing).reply)).code).toBe('UNAUTHORIZED');
    await transport.close();
    await rig.ranker();
  });
});

describe.for(contenders.filter(({ server }) => server.cert !== undefined))('$name', (of) => {
  const { cert, key, ...plain } = of.client;
  const strangers: [string, ClientSecurity, RegExp][] = [
    ['if only the runtime decides', { ...plain, ca: undefined }, /^(UNABLE|SELF|DEPTH)_/],
    ['that another authority signs', { ...of.client, ca: certificates.stranger }, /^(UNABLE|SELF|DEPTH)_/],
  ];
  test.for(strangers)('does not trust a node %s', async ([, client, code]) => {
    await using rig = await Rig.start(of, 1);
    const error = await refused(rig.ranker(client));
    expect(error.code).toBe('UNAVAILABLE');
    expect(codesOf(error)).toEqual(expect.arrayContaining([expect.stringMatching(code)]));
    expect(error.message).toMatch(/\((UNABLE|SELF|DEPTH)_/);
    const transport = await of.open(rig.cluster, client);
    const session = transport.session(rig.cluster.nodes[0].url);
    const direct = await refused(session.send(outgoing).reply);
    expect(direct.code).toBe('UNAVAILABLE');
    expect(codesOf(direct)).toEqual(expect.arrayContaining([expect.stringMatching(code)]));
    await transport.close();
  });

  test('does not answer without TLS', async () => {
    await using rig = await Rig.start(of, 1);
    const url = rig.cluster.nodes[0].url.replace('https:', 'http:');
    expect((await refused(rig.ranker(of.client, [url]))).code).toBe('UNAVAILABLE');
  });
});

describe.for(contenders.filter(({ server }) => server.ca !== undefined))('$name', (of) => {
  const { cert, key, ...unknown } = of.client;
  test.for([
    ['without a certificate', unknown],
    ['with a certificate for nodes', { ...unknown, ...certificates.node }],
  ] as const)('refuses rankers %s', async ([, client]) => {
    await using rig = await Rig.start(of, 1);
    const error = await refused(rig.ranker(client));
    expect(error.code).toBe('UNAVAILABLE');
    const transport = await of.open(rig.cluster, client);
    const session = transport.session(rig.cluster.nodes[0].url);
    expect((await refused(session.send(outgoing).reply)).code).toBe('UNAVAILABLE');
    await transport.close();
    await rig.ranker();
  });
});

/** The codes of all causes of an error. */
function codesOf(error: Error): unknown[] {
  const { cause } = error;
  return cause instanceof Error ? [(cause as NodeJS.ErrnoException).code, ...codesOf(cause)] : [];
}
