// A certificate of a NATS server is for the server that was asked for.
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { expect, test } from 'vitest';
import { serverIdentity } from '../../src/nats/server-identity.ts';
import { certificates } from '../60.transport/certificates.ts';

/** It is for the address 127.0.0.1, and for no name. */
const certificate: PeerCertificate = new X509Certificate(certificates.node.cert).toLegacyObject();

test.for([
  ['its address', ['127.0.0.1:4222'], 'localhost', true],
  ['one of its addresses', ['10.0.0.1:4222', '127.0.0.1:4222'], 'localhost', true],
  ['another address', ['127.0.0.2:4222'], 'localhost', false],
  ['an address of version 6', ['[::1]:4222'], 'localhost', false],
  ['another name', ['nats.example:4222'], 'nats.example', false],
  ['the name localhost', ['localhost:4222'], 'localhost', false],
  ['the name localhost, beside its address', ['localhost:4222', '127.0.0.1:4222'], 'localhost', false],
  ['another name, beside its address', ['nats.example:4222', '127.0.0.1:4222'], 'nats.example', false],
] as const)('a server that is reached by %s', ([, servers, host, right]) => {
  const error = serverIdentity(servers)(host, certificate);
  expect(error).toEqual(right ? undefined : expect.any(Error));
});
