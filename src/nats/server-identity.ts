import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** What Node.js calls a server that was reached by an IP address. */
const nameless = 'localhost';

/**
 * Checks that a certificate is for a server. For one that is reached by an IP address, the client of NATS does not tell TLS which
 * it is: its certificate must be for one of the addresses that were given.
 * @param servers `host:port`
 */
export function serverIdentity(
  servers: readonly string[],
): (host: string, certificate: PeerCertificate) => Error | undefined {
  const hosts = servers.map((server) => server.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
  return (host, certificate) => {
    const error = checkServerIdentity(host, certificate);
    if (error === undefined || host !== nameless || hosts.includes(nameless)) return error;
    const addresses = hosts.filter((each) => isIP(each) !== 0);
    const errors = addresses.map((address) => checkServerIdentity(address, certificate));
    return errors.includes(undefined) ? undefined : (errors[0] ?? error);
  };
}
