export interface TraceTable {
  readonly name: string;
  readonly rows: number;
  readonly dim: number;
  /** Whose feature this is in a ranking request. Undefined in other traces. */
  readonly side?: 'user' | 'item';
}

/**
 * What one ranker asks for, in order. Equal bags of a table are one segment, so a segment is known by its number. A row
 * is known by one number too: its key plus the rows of all tables before its own.
 */
export interface Trace {
  readonly name: string;
  readonly tables: readonly TraceTable[];
  /** The number of each table's first row, and last the number of all rows. */
  readonly firstRows: Uint32Array;
  /** Of each distinct segment: its table, and where its rows begin. `offsets` has one element more. */
  readonly tableOf: Uint16Array;
  readonly offsets: Uint32Array;
  readonly rows: Uint32Array;
  /** Numbers of segments. A segment comes at most once in a request. */
  readonly accesses: Uint32Array;
}

/** Takes one bag. The builder copies its keys. */
export type Emit = (table: number, keys: ArrayLike<number>, length?: number) => void;

/** Runs a generator, and gives equal bags one number. */
export function buildTrace(
  name: string,
  tables: readonly TraceTable[],
  generate: (emit: Emit) => void,
): Trace {
  const firstRows = new Uint32Array(tables.length + 1);
  for (const [i, table] of tables.entries()) firstRows[i + 1] = firstRows[i] + table.rows;
  const distinct = new Segments();
  let accesses = new Uint32Array(2 ** 16);
  let count = 0;
  let bag = new Uint32Array(256);
  generate((table, keys, length = keys.length) => {
    if (length > bag.length) bag = new Uint32Array(2 * length);
    for (let i = 0; i < length; i++) bag[i] = firstRows[table] + keys[i];
    accesses = withRoom(accesses, count + 1);
    accesses[count++] = distinct.numberOf(table, bag, length);
  });
  return { name, tables, firstRows, ...distinct.parts(), accesses: accesses.subarray(0, count) };
}

/** The bytes of all rows. Capacities are shares of them. */
export function rowsBytes({ tables }: Pick<Trace, 'tables'>): number {
  return tables.reduce((total, { rows, dim }) => total + rows * dim * 4, 0);
}

/** The distinct segments in a hash table with open addressing. */
class Segments {
  #count = 0;
  #tableOf: Uint16Array<ArrayBuffer> = new Uint16Array(2 ** 16);
  #offsets: Uint32Array<ArrayBuffer> = new Uint32Array(2 ** 16);
  #hashes: Uint32Array<ArrayBuffer> = new Uint32Array(2 ** 16);
  #rows: Uint32Array<ArrayBuffer> = new Uint32Array(2 ** 18);
  /** Numbers plus one. 0: free. */
  #places: Uint32Array<ArrayBuffer> = new Uint32Array(2 ** 17);

  numberOf(table: number, rows: Uint32Array, length: number): number {
    const hash = hashOf(rows, length);
    const mask = this.#places.length - 1;
    let at = hash & mask;
    for (; this.#places[at] !== 0; at = (at + 1) & mask) {
      const number = this.#places[at] - 1;
      if (this.#hashes[number] === hash && this.#equals(number, rows, length)) return number;
    }
    this.#places[at] = this.#count + 1;
    this.#append(table, rows, length, hash);
    if (2 * this.#count > mask) this.#widen();
    return this.#count - 1;
  }

  parts(): Pick<Trace, 'tableOf' | 'offsets' | 'rows'> {
    const offsets = this.#offsets.subarray(0, this.#count + 1);
    const rows = this.#rows.subarray(0, offsets[this.#count]);
    return { tableOf: this.#tableOf.subarray(0, this.#count), offsets, rows };
  }

  #equals(number: number, rows: Uint32Array, length: number): boolean {
    const from = this.#offsets[number];
    if (this.#offsets[number + 1] - from !== length) return false;
    for (let i = 0; i < length; i++) if (this.#rows[from + i] !== rows[i]) return false;
    return true;
  }

  #append(table: number, rows: Uint32Array, length: number, hash: number): void {
    const from = this.#offsets[this.#count];
    this.#rows = withRoom(this.#rows, from + length);
    for (let i = 0; i < length; i++) this.#rows[from + i] = rows[i];
    this.#tableOf = withRoom(this.#tableOf, this.#count + 1);
    this.#hashes = withRoom(this.#hashes, this.#count + 1);
    this.#offsets = withRoom(this.#offsets, this.#count + 2);
    this.#tableOf[this.#count] = table;
    this.#hashes[this.#count] = hash;
    this.#offsets[++this.#count] = from + length;
  }

  #widen(): void {
    const places = new Uint32Array(2 * this.#places.length);
    const mask = places.length - 1;
    for (let number = 0; number < this.#count; number++) {
      let at = this.#hashes[number] & mask;
      while (places[at] !== 0) at = (at + 1) & mask;
      places[at] = number + 1;
    }
    this.#places = places;
  }
}

function hashOf(rows: Uint32Array, length: number): number {
  let hash = length;
  for (let i = 0; i < length; i++) {
    hash = Math.imul(hash ^ rows[i], 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/** The array itself, or a copy of at least double length. */
function withRoom<A extends Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(
  array: A,
  length: number,
): A {
  if (length <= array.length) return array;
  const grown = new (array.constructor as new (length: number) => A)(Math.max(length, 2 * array.length));
  grown.set(array);
  return grown;
}
