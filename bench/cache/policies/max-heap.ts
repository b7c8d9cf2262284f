/** A binary heap of whole numbers with the largest at the top. */
export class MaxHeap {
  #values: Int32Array<ArrayBuffer> = new Int32Array(64);
  #count = 0;

  /** −∞ if the heap is empty. */
  get top(): number {
    return this.#count === 0 ? Number.NEGATIVE_INFINITY : this.#values[0];
  }

  push(value: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Int32Array(2 * this.#count);
      grown.set(this.#values);
      this.#values = grown;
    }
    const values = this.#values;
    let at = this.#count++;
    for (let parent = (at - 1) >> 1; at > 0 && values[parent] < value; parent = (at - 1) >> 1) {
      values[at] = values[parent];
      at = parent;
    }
    values[at] = value;
  }

  pop(): number {
    const values = this.#values;
    const top = values[0];
    const last = values[--this.#count];
    let at = 0;
    for (let child = 1; child < this.#count; child = 2 * at + 1) {
      if (child + 1 < this.#count && values[child + 1] > values[child]) child++;
      if (values[child] <= last) break;
      values[at] = values[child];
      at = child;
    }
    values[at] = last;
    return top;
  }
}
