// Certificates of a test, by the openssl command.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  /** Signs both. */
  readonly ca: string;
  readonly node: Identity;
  readonly ranker: Identity;
  /** Signs neither. */
  readonly stranger: string;
}

/** An authority, what it signs for a node at 127.0.0.1 and for a ranker, and an authority of strangers. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'flexemr-certificates-'));
  const at = (file: string): string => join(folder, file);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = (name: string): string => {
    const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`];
    openssl('req', '-x509', ...curve, '-days', '2', '-subj', `/CN=${name}`, ...files);
    return readFileSync(at(`${name}.crt`), 'utf8');
  };
  const signed = (name: string, extension: string): Identity => {
    writeFileSync(at(`${name}.ext`), extension);
    openssl('req', ...curve, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const by = [
      '-CA',
      'authority.crt',
      '-CAkey',
      'authority.key',
      '-CAcreateserial',
      '-extfile',
      `${name}.ext`,
    ];
    openssl('x509', '-req', '-days', '2', '-in', `${name}.csr`, '-out', `${name}.crt`, ...by);
    return { cert: readFileSync(at(`${name}.crt`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') };
  };
  try {
    const [ca, stranger] = [authority('authority'), authority('stranger')];
    const node = signed('node', 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n');
    return { ca, stranger, node, ranker: signed('ranker', 'extendedKeyUsage=clientAuth\n') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
