// URLs of tables. They may contain secrets, such as the signature of a signed URL, so messages show only a part of them.
import { FlexemrError } from '../errors.ts';

/** Whether a path of tables is an http:// or https:// URL. */
export function isUrl(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** The URL of a file. @throws INVALID_OPTION if it is not a URL, or contains a password */
export function tableUrl(text: string): URL {
  if (!URL.canParse(text)) {
    const message = `the address of tables is not a valid URL: ${shownUrl(text)}. Check it.`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'path', value: shownUrl(text) });
  }
  const url = new URL(text);
  url.hash = '';
  if (url.username === '' && url.password === '') return url;
  const message = `${shownUrl(text)}: a name and a password in the URL of tables are not used. Use a token (--tables-token-file).`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'path', value: shownUrl(text) });
}

/** A path of tables, as messages show it. */
export function shownPath(path: string): string {
  return isUrl(path) ? shownUrl(path) : path;
}

/** The URL without user, password, query and fragment. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return text.replace(/[?#].*$/s, '').replace(/\/\/.*@/s, '//');
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname}`;
}

/** Checks the token for a source of tables. Error messages must not contain it. @throws INVALID_OPTION */
export function checkToken(path: string, token: string | undefined): void {
  if (token === undefined) return;
  const refuse = (problem: string): FlexemrError =>
    new FlexemrError('INVALID_OPTION', `token: ${problem}`, { field: 'token' });
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw refuse('expected printable ASCII without spaces');
  if (!isUrl(path)) throw refuse('only tables from an http:// or https:// URL need a token');
}
