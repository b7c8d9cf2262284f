import { shapesMax } from '../engine-limits.ts';
import type { KeyedBags } from '../plan/bags.ts';
import { type AskedFeatures, askedFeatures } from './asked-features.ts';

/** The features of a lookup, and the tables that it names for them. */
export interface Shape {
  readonly names: readonly string[];
  readonly tables: readonly (string | undefined)[];
}

/** A shape, known to engines by a number. */
export class KnownShape implements Shape {
  readonly id: number;
  readonly names: readonly string[];
  readonly tables: readonly (string | undefined)[];
  readonly features: AskedFeatures;
  /** For engines that do not know it yet. */
  readonly text: Uint8Array;
  /** Which engines know it: their places. */
  readonly told: Set<number> = new Set();

  constructor(id: number, { names, tables }: Shape) {
    this.id = id;
    this.names = names;
    this.tables = tables;
    this.features = askedFeatures(names, tables);
    this.text = new TextEncoder().encode(
      JSON.stringify({ names, tables: tables.map((table) => table ?? null) }),
    );
  }

  /** Whether bags have this shape. */
  fits(bags: KeyedBags): boolean {
    let i = 0;
    for (const name in bags) {
      if (!Object.hasOwn(bags, name)) continue;
      if (this.names[i] !== name || this.tables[i] !== bags[name]?.table) return false;
      i++;
    }
    return i === this.names.length;
  }
}

/** The shapes of lookups. Most programs have one, or few. */
export class Shapes {
  readonly #known: KnownShape[] = [];
  #next = 0;

  /** @returns undefined if a name of a table is none, so that the bags are wrong */
  of(bags: KeyedBags): KnownShape | undefined {
    const known = this.#known.find((shape) => shape.fits(bags));
    if (known !== undefined) return known;
    const names = Object.keys(bags);
    const tables = names.map((name) => bags[name]?.table);
    if (tables.some((table) => table !== undefined && typeof table !== 'string')) return undefined;
    const shape = new KnownShape(this.#next, { names, tables });
    // The number of an old shape is given to a new one, which every engine is told again.
    this.#next = (this.#next + 1) % shapesMax;
    this.#known[shape.id] = shape;
    return shape;
  }
}

/** @param text of a shape that is new to an engine */
export function shapeOf(text: Uint8Array): Shape {
  const { names, tables } = JSON.parse(new TextDecoder().decode(text.slice()));
  return { names, tables: tables.map((table: string | null) => table ?? undefined) };
}
