// The head of a lookup in shared memory: its shape, options and deadline.
import type { LookupOptions } from '../ranker/lookup-options.ts';

/** Words of the head (bags-frame.ts: headWords); the deadline is a f64, in milliseconds since 1970. */
const shapeAt = 0;
const cancellableAt = 1;
const textsAt = 2;
const shapeBytesAt = 3;
const optionsBytesAt = 4;
const deadlineAt = 6;

/** Options that are sent as text, because most lookups have none. */
export type TextOptions = Omit<LookupOptions, 'signal' | 'deadline'>;

export interface RequestHead {
  readonly shape: number;
  /** Undefined if the engine knows the shape. */
  readonly shapeText: Uint8Array | undefined;
  readonly options: TextOptions;
  readonly deadlineAt: number;
  /** Whether the lookup may be cancelled. */
  readonly cancellable: boolean;
}

/** Texts after the bags. */
export interface Texts {
  readonly shape: Uint8Array | undefined;
  readonly options: Uint8Array | undefined;
}

export const noTexts: Texts = { shape: undefined, options: undefined };

/** Views of one memory. */
export interface HeadMemory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float64Array;
}

/** Of a lookup without any. */
export const noTextOptions: TextOptions = {};

/** @param at a multiple of 8 @param bagsBytes after which the texts follow */
export function writeHead(
  { bytes, words, floats }: HeadMemory,
  at: number,
  bagsBytes: number,
  head: { readonly shape: number; readonly deadlineAt: number; readonly cancellable: boolean },
  { shape, options }: Texts,
): void {
  const word = at >>> 2;
  words[word + shapeAt] = head.shape;
  words[word + cancellableAt] = Number(head.cancellable);
  words[word + textsAt] = bagsBytes;
  words[word + shapeBytesAt] = shape?.length ?? 0;
  words[word + optionsBytesAt] = options?.length ?? 0;
  floats[(word + deadlineAt) >>> 1] = head.deadlineAt;
  if (shape !== undefined) bytes.set(shape, at + bagsBytes);
  if (options !== undefined) bytes.set(options, at + bagsBytes + (shape?.length ?? 0));
}

export function readHead({ bytes, words, floats }: HeadMemory, at: number): RequestHead {
  const word = at >>> 2;
  const [shapeBytes, optionsBytes] = [words[word + shapeBytesAt], words[word + optionsBytesAt]];
  const texts = at + words[word + textsAt];
  const options = bytes.subarray(texts + shapeBytes, texts + shapeBytes + optionsBytes);
  return {
    shape: words[word + shapeAt],
    shapeText: shapeBytes === 0 ? undefined : bytes.subarray(texts, texts + shapeBytes),
    options: optionsBytes === 0 ? noTextOptions : JSON.parse(new TextDecoder().decode(options.slice())),
    deadlineAt: floats[(word + deadlineAt) >>> 1],
    cancellable: words[word + cancellableAt] === 1,
  };
}
