import { readFile } from 'node:fs/promises';
import { FlexemrError } from '../errors.ts';

/** Paths of the files for authentication and TLS. */
export interface SecurityOptions {
  readonly tokenFile?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
}

/** The contents of these files, for a node or for a ranker. */
export interface Security {
  readonly token?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
}

/** @throws INVALID_FILE */
export async function readSecurity({ tokenFile, cert, key, ca }: SecurityOptions): Promise<Security> {
  return {
    token: tokenFile === undefined ? undefined : await readToken('tokenFile', tokenFile),
    cert: await readPem('cert', cert),
    key: await readPem('key', key),
    ca: await readPem('ca', ca),
  };
}

/** Reads a token. It goes unchanged into a header, so it is checked. @param field the option. Error messages must not contain it. */
export async function readToken(field: string, path: string): Promise<string> {
  const token = (await readText(field, path)).trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const message = `${path} must contain one token of printable ASCII without spaces (for example: openssl rand -hex 32)`;
  throw new FlexemrError('INVALID_FILE', message, { field, value: path });
}

export async function readPem(field: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const pem = await readText(field, path);
  if (/-----BEGIN [A-Z ]+-----/.test(pem)) return pem;
  const message = `${path} is not a PEM file: it has no line -----BEGIN …-----`;
  throw new FlexemrError('INVALID_FILE', message, { field, value: path });
}

export async function readText(field: string, path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: Error) => {
    const message = `cannot read ${path}: ${cause.message}. Check the path and its permissions.`;
    throw new FlexemrError('INVALID_FILE', message, { field, value: path, cause });
  });
}
