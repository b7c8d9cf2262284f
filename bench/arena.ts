/** The first page is not used, because the module of the kernels may have data there. */
const BASE = 65_536;
/** Blocks start at cache lines. */
const ALIGN = 64;

/** One shared memory for kernels, bars and workers. It allocates from the lowest address upwards. */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly f32: Float32Array;
  #top: number = BASE;

  constructor(bytes: number) {
    const pages = Math.ceil(bytes / 65_536);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.f32 = new Float32Array(buffer);
  }

  /** @returns the byte address of a block, which is not cleared */
  allocate(bytes: number): number {
    const address = this.#top;
    this.#top = Math.ceil((address + bytes) / ALIGN) * ALIGN;
    if (this.#top > this.u8.length)
      throw new RangeError(`bench arena: ${this.#top} of ${this.u8.length} bytes`);
    return address;
  }

  mark(): number {
    return this.#top;
  }

  /** Frees everything that was allocated since `mark`. */
  release(mark: number): void {
    this.#top = mark;
  }
}
