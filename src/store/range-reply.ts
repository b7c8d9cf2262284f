// Checks what a server answers to a request for a range of a file.
import { passing, RangeFault } from './range-fault.ts';

/** The beginning of an answer. The names of headers are in lower case. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What is known of a file at a server. It must not change while the file is read. */
export interface RemoteFile {
  readonly size: number;
  /** A strong ETag; or else a weak one and the time of the last change. */
  readonly version: string;
  /** The headers by which a server refuses to answer if the file is another. */
  readonly conditions: Readonly<Record<string, string>>;
}

/** Bytes from `begin` to before `end`. A file may end before. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

const unfit =
  'Use a server that answers range requests with the bytes as they are, such as nginx or an object store';
const changed = 'Wait until the file is complete, then load again';

/**
 * Checks the head of an answer to a request for a range. @param known the file, unless this is its first answer
 * @returns the file, as this answer describes it @throws RangeFault
 */
export function checkRangeReply(head: AnswerHead, range: Range, known: RemoteFile | undefined): RemoteFile {
  if (head.status !== 206) throw refusalOf(head, known);
  const encoding = headerOf(head, 'content-encoding');
  if (encoding !== undefined && encoding !== 'identity')
    throw new RangeFault('INVALID_FILE', `the server sends the file compressed (${encoding})`, unfit);
  const found = remoteFile(head);
  if (known !== undefined && (found.size !== known.size || found.version !== known.version))
    throw hasChanged(
      `it had ${known.size} bytes and ${known.version}, and now ${found.size} and ${found.version}`,
    );
  const [begin, end] = sentRange(head);
  if (begin !== range.begin || end !== Math.min(range.end, found.size)) {
    const problem = `the server sends bytes ${begin} to ${end} of ${found.size}`;
    throw new RangeFault('INVALID_FILE', problem, unfit);
  }
  const length = headerOf(head, 'content-length');
  if (length === undefined || Number(length) === end - begin) return found;
  throw new RangeFault('INVALID_FILE', `the server sends ${length} bytes for ${end - begin}`, unfit);
}

/** Checks the head of an answer with all of a file. @throws RangeFault */
export function checkWholeReply(head: AnswerHead): void {
  if (head.status !== 200) throw refusalOf(head, undefined);
  const encoding = headerOf(head, 'content-encoding');
  if (encoding !== undefined && encoding !== 'identity')
    throw new RangeFault('INVALID_FILE', `the server sends the file compressed (${encoding})`, unfit);
}

/** Where the server redirects to; undefined if it does not. */
export function redirectOf(head: AnswerHead): string | undefined {
  return [301, 302, 303, 307, 308].includes(head.status) ? headerOf(head, 'location') : undefined;
}

function refusalOf(head: AnswerHead, known: RemoteFile | undefined): RangeFault {
  const { status } = head;
  const says = `the server answers HTTP ${status}`;
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return passing(says, waitMsOf(head));
  if (status === 401 || status === 403)
    return new RangeFault(
      'UNAUTHORIZED',
      says,
      'Give a valid token (--tables-token-file), or a signed URL that has not expired',
    );
  if (status === 404 || status === 410) return new RangeFault('INVALID_FILE', says, 'Check the URL');
  if (known !== undefined && (status === 412 || status === 416)) return hasChanged(says);
  if (known !== undefined && status === 200 && versionOf(head)?.version !== known.version)
    return hasChanged(says);
  if (status === 416)
    return new RangeFault('INVALID_FILE', `${says}: the file is empty`, 'Fetch or write it again');
  if (status !== 200) return new RangeFault('INVALID_FILE', says, 'Check the URL and its server');
  const problem = 'the server sends the whole file, although a range was asked for (HTTP 200 instead of 206)';
  return new RangeFault('INVALID_FILE', problem, `${unfit}, or download the file`);
}

function hasChanged(how: string): RangeFault {
  return new RangeFault('INVALID_FILE', `the file has changed since it was opened (${how})`, changed);
}

function remoteFile(head: AnswerHead): RemoteFile {
  const size = Number(/\/(\d+)$/.exec(headerOf(head, 'content-range') ?? '')?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(size))
    throw new RangeFault(
      'INVALID_FILE',
      'the server does not say how long the file is (Content-Range)',
      unfit,
    );
  const version = versionOf(head);
  if (version !== undefined) return { size, ...version };
  const problem =
    'the server gives neither an ETag nor a Last-Modified header, so a change of the file would not be noticed';
  throw new RangeFault('INVALID_FILE', problem, unfit);
}

function versionOf(head: AnswerHead): Pick<RemoteFile, 'version' | 'conditions'> | undefined {
  const etag = headerOf(head, 'etag');
  if (etag !== undefined && /^"[^"]*"$/.test(etag))
    return { version: `ETag ${etag}`, conditions: { 'if-match': etag } };
  const modified = headerOf(head, 'last-modified');
  // Servers cannot compare a weak ETag with a range, but it still tells changes within one second apart.
  const parts = [etag && `ETag ${etag}`, modified && `Last-Modified ${modified}`].filter(Boolean);
  if (parts.length === 0) return undefined;
  return {
    version: parts.join(', '),
    conditions: modified === undefined ? {} : { 'if-unmodified-since': modified },
  };
}

/** The range that the server sends: [begin, end), empty if it does not say. */
function sentRange(head: AnswerHead): [number, number] {
  const [, first, last] = /^bytes (\d+)-(\d+)\//i.exec(headerOf(head, 'content-range') ?? '') ?? [];
  return first === undefined ? [0, 0] : [Number(first), Number(last) + 1];
}

function waitMsOf(head: AnswerHead): number {
  const seconds = headerOf(head, 'retry-after') ?? '';
  return /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : 0;
}

function headerOf({ headers }: AnswerHead, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
