/** Numbers in a row, from head (newest) to tail. Each is in the queue at most once. */
export class Queue {
  /** The neighbour towards the tail, and towards the head. −1: none. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #head = -1;
  #tail = -1;

  constructor(count: number) {
    this.#older = new Int32Array(count);
    this.#newer = new Int32Array(count);
  }

  /** −1 if the queue is empty. */
  get tail(): number {
    return this.#tail;
  }

  /** −1 at the head. */
  newer(id: number): number {
    return this.#newer[id];
  }

  push(id: number): void {
    this.#older[id] = this.#head;
    this.#newer[id] = -1;
    if (this.#head >= 0) this.#newer[this.#head] = id;
    else this.#tail = id;
    this.#head = id;
  }

  remove(id: number): void {
    const [older, newer] = [this.#older[id], this.#newer[id]];
    if (newer >= 0) this.#older[newer] = older;
    else this.#head = older;
    if (older >= 0) this.#newer[older] = newer;
    else this.#tail = newer;
  }
}
