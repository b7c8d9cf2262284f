import { HEADER_BYTES } from '../wire/layout.ts';

/** Bytes of a reply, as its Content-Length announces them. Returns undefined if no valid reply has this length. */
export function frameLength(contentLength: unknown, bytesMax: number): number | undefined {
  if (typeof contentLength !== 'string' || !/^\d{1,15}$/.test(contentLength)) return undefined;
  const bytes = Number(contentLength);
  return bytes >= HEADER_BYTES && bytes <= Math.max(HEADER_BYTES, bytesMax) ? bytes : undefined;
}

/** Says what is wrong with the length, for an error. */
export function wrongLength(contentLength: unknown, bytesMax: number): string {
  const length = contentLength ?? 'an unknown number of';
  return `sends a reply of ${length} bytes, but the requested reply has ${HEADER_BYTES} to ${bytesMax} bytes`;
}
