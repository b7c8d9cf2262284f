import { HEADER_BYTES } from '../wire/layout.ts';

/** Bytes of a reply as a Content-Length announces them; undefined where no right reply is so long. */
export function frameLength(contentLength: unknown, bytesMax: number): number | undefined {
  if (typeof contentLength !== 'string' || !/^\d{1,15}$/.test(contentLength)) return undefined;
  const bytes = Number(contentLength);
  return bytes >= HEADER_BYTES && bytes <= Math.max(HEADER_BYTES, bytesMax) ? bytes : undefined;
}

/** What is wrong with it, for an error. */
export function wrongLength(contentLength: unknown, bytesMax: number): string {
  return `announces a reply of ${contentLength ?? 'no'} bytes; the one that was asked for has ${HEADER_BYTES} to ${bytesMax}`;
}
