// Certificates for tests: an authority, its certificates for a node at 127.0.0.1 and for a ranker, and another
// authority. They are valid for a hundred years, and only for tests.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  /** Signs `node` and `ranker`. */
  readonly ca: string;
  readonly node: Identity;
  readonly ranker: Identity;
  /** Signs neither of them. */
  readonly stranger: string;
}

const pem = (file: string): string => readFileSync(join(import.meta.dirname, 'certificates', file), 'utf8');
const identity = (name: string): Identity => ({ cert: pem(`${name}.crt`), key: pem(`${name}.key`) });

export const certificates: Certificates = {
  ca: pem('authority.crt'),
  node: identity('node'),
  ranker: identity('ranker'),
  stranger: pem('stranger.crt'),
};
