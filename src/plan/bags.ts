// Keyed bags: what a caller looks up.

/** Numbers of any kind. */
export type NumberArray =
  | readonly number[]
  | Uint8Array
  | Uint16Array
  | Int8Array
  | Int16Array
  | Float32Array
  | Float64Array;

/** Row numbers or u64 ids. Signed 64-bit ids stand for the u64 with the same bits. */
export type Keys = NumberArray | Uint32Array | Int32Array | BigUint64Array | BigInt64Array;

/** Offsets or lengths, one per bag. */
export type Counts = NumberArray | Uint32Array | Int32Array | BigUint64Array | BigInt64Array;

/** The bags of one feature. Give offsets (PyTorch) or lengths (TorchRec). */
export interface Bags {
  readonly keys: Keys;
  /** Where each bag starts in `keys`; the last bag ends at the end of `keys`. */
  readonly offsets?: Counts | undefined;
  /** `offsets` has one more entry: where the last bag ends, which is the number of keys. */
  readonly includeLastOffset?: boolean | undefined;
  /** How many keys each bag has. */
  readonly lengths?: Counts | undefined;
  /** One weight per key. */
  readonly weights?: NumberArray | undefined;
  /**
   * Which bag each result is of (TorchRec's `inverse_indices`); by default, result i is of bag i. Bags that several
   * results share are then sent and pooled once.
   */
  readonly inverse?: Counts | undefined;
  /** The table to look up; by default, the table with the name of the feature. */
  readonly table?: string | undefined;
}

/** Bags by feature. */
export type KeyedBags = Readonly<Record<string, Bags>>;
