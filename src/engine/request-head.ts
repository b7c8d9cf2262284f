// The head of a lookup in shared memory: its shape, options and deadline.
import type { LookupOptions } from '../ranker/lookup-options.ts';
import { headWords } from './bags-frame.ts';

/** Words of the head; the deadline is a f64, in milliseconds since 1970. */
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

const noOptions: TextOptions = {};

/** @param bagsBytes after which the texts follow */
export function writeHead(
  memory: Uint8Array,
  at: number,
  bagsBytes: number,
  head: { readonly shape: number; readonly deadlineAt: number; readonly cancellable: boolean },
  { shape, options }: Texts,
): void {
  const words = new Uint32Array(memory.buffer, memory.byteOffset + at, headWords);
  words[shapeAt] = head.shape;
  words[cancellableAt] = Number(head.cancellable);
  words[textsAt] = bagsBytes;
  words[shapeBytesAt] = shape?.length ?? 0;
  words[optionsBytesAt] = options?.length ?? 0;
  new Float64Array(memory.buffer, memory.byteOffset + at + deadlineAt * 4, 1)[0] = head.deadlineAt;
  if (shape !== undefined) memory.set(shape, at + bagsBytes);
  if (options !== undefined) memory.set(options, at + bagsBytes + (shape?.length ?? 0));
}

export function readHead(memory: Uint8Array, at: number): RequestHead {
  const words = new Uint32Array(memory.buffer, memory.byteOffset + at, headWords);
  const [shapeBytes, optionsBytes] = [words[shapeBytesAt], words[optionsBytesAt]];
  const texts = at + words[textsAt];
  const options = memory.subarray(texts + shapeBytes, texts + shapeBytes + optionsBytes);
  return {
    shape: words[shapeAt],
    shapeText: shapeBytes === 0 ? undefined : memory.subarray(texts, texts + shapeBytes),
    options: optionsBytes === 0 ? noOptions : JSON.parse(new TextDecoder().decode(options.slice())),
    deadlineAt: new Float64Array(memory.buffer, memory.byteOffset + at + deadlineAt * 4, 1)[0],
    cancellable: words[cancellableAt] === 1,
  };
}
