import { bagsViewsMax } from '../engine-limits.ts';
import type { Bags, KeyedBags } from '../plan/bags.ts';
import {
  countsPart,
  featureWords,
  headOf,
  headWords,
  inversePart,
  lastOffsetFlag,
  lengthsFlag,
  parts,
  viewOf,
  weightsPart,
  wordsOf,
} from './bags-frame.ts';
import type { Shape } from './shapes.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * The bags in the memory of an engine. Most lookups at an address have the features of the one before them there, and arrays as
 * long as its arrays. So its views are used again.
 */
export class BagsViews {
  readonly #memory: Uint8Array;
  readonly #at = new Map<number, BagsView>();

  constructor(memory: Uint8Array) {
    this.#memory = memory;
  }

  /** The bags at byte `at`. They are valid until their lookup is answered. */
  read(at: number, shape: Shape): KeyedBags {
    let view = this.#at.get(at);
    if (view === undefined || view.shape !== shape) {
      if (this.#at.size >= bagsViewsMax) this.#at.clear();
      view = new BagsView(this.#memory, at, shape);
      this.#at.set(at, view);
    }
    return view.read();
  }
}

/** A part of a feature: an array, or undefined. */
interface PartView {
  kind: number;
  begin: number;
  length: number;
  array: unknown;
}

/** The bags at one address. */
class BagsView {
  readonly shape: Shape;
  readonly #memory: Uint8Array;
  readonly #begin: number;
  /** The head, and the words of the features. */
  readonly #words: Uint32Array;
  readonly #features: readonly Writable<Bags>[];
  readonly #bags: KeyedBags;
  /** By feature and part. */
  readonly #parts: readonly PartView[];
  /** Where the next part begins. */
  #next = 0;

  constructor(memory: Uint8Array, at: number, shape: Shape) {
    const { names, tables } = shape;
    this.shape = shape;
    this.#memory = memory;
    this.#begin = memory.byteOffset + at;
    this.#words = new Uint32Array(memory.buffer, this.#begin, headOf(names.length));
    this.#features = tables.map((table) => {
      const none = { offsets: undefined, lengths: undefined, weights: undefined, inverse: undefined };
      return { keys: [], ...none, includeLastOffset: false, table };
    });
    this.#bags = Object.fromEntries(names.map((name, i) => [name, this.#features[i]]));
    this.#parts = Array.from({ length: names.length * parts }, () => {
      return { kind: 0, begin: 0, length: 0, array: undefined };
    });
  }

  read(): KeyedBags {
    const words = this.#words;
    const features = this.#features;
    this.#next = this.#begin + words.byteLength;
    for (let i = 0; i < features.length; i++) {
      const kinds = words[headWords + i * featureWords];
      this.#readPart(i, countsPart, kinds);
      const { array } = this.#parts[i * parts + countsPart];
      const isLengths = (kinds & lengthsFlag) !== 0;
      features[i].offsets = isLengths ? undefined : (array as Bags['offsets']);
      features[i].lengths = isLengths ? (array as Bags['lengths']) : undefined;
    }
    for (let i = 0; i < features.length; i++) {
      const kinds = words[headWords + i * featureWords];
      const feature = features[i];
      feature.includeLastOffset = (kinds & lastOffsetFlag) !== 0;
      if (this.#readPart(i, 0, kinds)) feature.keys = this.#parts[i * parts].array as Bags['keys'];
      if (this.#readPart(i, weightsPart, kinds))
        feature.weights = this.#parts[i * parts + weightsPart].array as Bags['weights'];
      if (this.#readPart(i, inversePart, kinds))
        feature.inverse = this.#parts[i * parts + inversePart].array as Bags['inverse'];
    }
    return this.#bags;
  }

  /** @returns whether it is another array than before */
  #readPart(feature: number, part: number, kinds: number): boolean {
    const view = this.#parts[feature * parts + part];
    const kind = (kinds >>> (part * 4)) & 15;
    const length = kind === 0 ? 0 : this.#words[headWords + feature * featureWords + 1 + part];
    const begin = this.#next;
    this.#next += wordsOf(length, kind) * 4;
    if (view.kind === kind && view.length === length && (kind === 0 || view.begin === begin)) return false;
    view.kind = kind;
    view.length = length;
    view.begin = begin;
    view.array = viewOf(kind, this.#memory.buffer as ArrayBuffer, begin, length);
    return true;
  }
}
