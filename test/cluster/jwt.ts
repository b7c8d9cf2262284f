// Accounts and users of NATS by JWT, as its tools make them.
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const unlimited = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
};
const jetStream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

function base64url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64url');
}

function signed(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const claims = {
    ...{ jti: name, iat: Math.floor(Date.now() / 1000), iss: issuer.getPublicKey() },
    ...{ name, sub: subject.getPublicKey(), nats: { version: 2, ...nats } },
  };
  const text = `${base64url('{"typ":"JWT","alg":"ed25519-nkey"}')}.${base64url(JSON.stringify(claims))}`;
  return `${text}.${base64url(issuer.sign(new TextEncoder().encode(text)))}`;
}

/** A configuration for a server, and the text of a file of credentials for it. */
export function credentials(): { readonly config: string; readonly creds: string } {
  const [operator, system, account] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const of = (key: KeyPair, name: string, limits: object): string =>
    `${key.getPublicKey()}: ${signed(operator, key, name, { type: 'account', limits })}`;
  const config = `
operator: ${signed(operator, operator, 'operator', { type: 'operator' })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${of(system, 'SYS', unlimited)}
  ${of(account, 'flexemr', { ...unlimited, ...jetStream })}
}`;
  const jwt = signed(account, user, 'user', { type: 'user', subs: -1, data: -1, payload: -1 });
  const seed = new TextDecoder().decode(user.getSeed());
  const creds = `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
  return { config, creds };
}
