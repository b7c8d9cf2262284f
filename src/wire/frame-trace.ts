// The trace context in the header of a subrequest: the ids are bytes in the order of their digits.
import * as wire from './layout.ts';
import type { TraceContext } from './trace.ts';

const traceWord = wire.SUBREQUEST_TRACE_ID >>> 2;
const spanWord = wire.SUBREQUEST_SPAN_ID >>> 2;
const versionWord = wire.FRAME_VERSION >>> 2;
/** The flags are the highest byte of the word that begins with the version. */
const flagsShift = (wire.SUBREQUEST_TRACE_FLAGS - wire.FRAME_VERSION) * 8;
const digitsPerWord = 8;

/** Writes a context, or that there is none, into the header at word `at`. Its identity must be written before. */
export function writeTrace(words: Uint32Array, at: number, trace: TraceContext | undefined): void {
  words[at + versionWord] &= (1 << flagsShift) - 1;
  words.fill(0, at + traceWord, at + (wire.FRAME_CHECKSUM >>> 2));
  if (trace === undefined) return;
  words[at + versionWord] |= trace.flags << flagsShift;
  writeId(words, at + traceWord, trace.traceId);
  writeId(words, at + spanWord, trace.spanId);
}

/** The context in the header at word `at`; undefined if there is none, or if the version has no place for it. */
export function traceAt(words: Uint32Array, at: number): TraceContext | undefined {
  const version = words[at + versionWord];
  if (words[at] !== wire.SUBREQUEST_MAGIC || (version & 0xffff) !== wire.wireVersion) return undefined;
  if (isZero(words, at + traceWord, 4) || isZero(words, at + spanWord, 2)) return undefined;
  const [traceId, spanId] = [readId(words, at + traceWord, 4), readId(words, at + spanWord, 2)];
  return { traceId, spanId, flags: version >>> flagsShift };
}

function writeId(words: Uint32Array, at: number, id: string): void {
  for (let i = 0; i * digitsPerWord < id.length; i++)
    words[at + i] = reversed(Number.parseInt(id.slice(i * digitsPerWord, (i + 1) * digitsPerWord), 16));
}

function readId(words: Uint32Array, at: number, count: number): string {
  let id = '';
  for (let i = at; i < at + count; i++) id += reversed(words[i]).toString(16).padStart(digitsPerWord, '0');
  return id;
}

function isZero(words: Uint32Array, at: number, count: number): boolean {
  for (let i = at; i < at + count; i++) if (words[i] !== 0) return false;
  return true;
}

/** A word with its bytes in the opposite order. */
function reversed(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
