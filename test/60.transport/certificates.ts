// Certificates of the tests: an authority, what it signed for a node at 127.0.0.1 and for a ranker, and an authority
// of strangers. They are good for a hundred years, and for nothing else.
import { readFileSync } from 'node:fs';
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

const pem = (file: string): string => readFileSync(join(import.meta.dirname, 'certificates', file), 'utf8');
const identity = (name: string): Identity => ({ cert: pem(`${name}.crt`), key: pem(`${name}.key`) });

export const certificates: Certificates = {
  ca: pem('authority.crt'),
  node: identity('node'),
  ranker: identity('ranker'),
  stranger: pem('stranger.crt'),
};
