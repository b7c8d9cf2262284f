// Addresses of clusters in NATS.
import { describe, expect, test } from 'vitest';
import { parseNatsAddress } from '../../src/nats/address.ts';
import { refusal } from '../refusal.ts';

test.for([
  ['nats://localhost/flexemr', { servers: ['localhost:4222'], tls: false, bucket: 'flexemr' }],
  ['tls://a.example:4333/b-1', { servers: ['a.example:4333'], tls: true, bucket: 'b-1' }],
  ['nats://a:1,b,[::1]:3,[::2]/x', { servers: ['a:1', 'b:4222', '[::1]:3', '[::2]:4222'] }],
  ['nats://me:p%40ss%3A:word@a/x', { user: 'me', password: 'p@ss::word', shown: 'nats://a/x' }],
  ['nats://s3cret@a/x', { token: 's3cret', shown: 'nats://a/x' }],
  ['nats://a/x?replicas=5', { replicas: 5, shown: 'nats://a/x' }],
] as const)('%s', ([text, wanted]) => {
  expect(parseNatsAddress(text)).toMatchObject(wanted);
});

describe('an address that is refused', () => {
  test.for([
    'nats://',
    'nats://host',
    'nats://host/',
    'nats://host/a/b',
    'nats://host/a.b',
    'nats://host/a b',
    'nats://host,/a',
    'nats://a b/x',
    'nats://host:port/x',
    'nats://host/x?replicas=0',
    'nats://host/x?replicas=6',
    'nats://host/x?replica=1',
    'nats://user:s3cret%@host/x',
    'nats://user:s3cret@host',
    `nats://${'a'.repeat(5_000)}/x`,
  ])('%s', (text) => {
    const error = refusal(() => parseNatsAddress(text));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', field: 'routing' });
    expect(error.message).toContain('nats://HOST:PORT/BUCKET');
    expect(`${error.message} ${error.value}`).not.toContain('s3cret');
  });
});
