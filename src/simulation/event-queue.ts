/** Something that will happen. */
export class SimulatedEvent<Act> {
  readonly at: number;
  readonly order: number;
  readonly act: Act;
  /** Its place in the queue. −1: it is not in the queue any more. */
  place = -1;

  constructor(at: number, order: number, act: Act) {
    this.at = at;
    this.order = order;
    this.act = act;
  }
}

/** Events in the order of their times. Those of the same time come in the order in which they were added: a binary heap. */
export class EventQueue<Act> {
  readonly #heap: SimulatedEvent<Act>[] = [];
  #added = 0;

  get size(): number {
    return this.#heap.length;
  }

  add(at: number, act: Act): SimulatedEvent<Act> {
    const event = new SimulatedEvent(at, this.#added++, act);
    this.#rise(event, this.#heap.length);
    return event;
  }

  /** Takes out the first event. */
  next(): SimulatedEvent<Act> | undefined {
    const [first] = this.#heap;
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Does nothing if the event is not in the queue any more. */
  remove(event: SimulatedEvent<Act>): void {
    const { place } = event;
    if (place < 0) return;
    event.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === event) return;
    if (place > 0 && isBefore(last, this.#heap[(place - 1) >>> 1])) this.#rise(last, place);
    else this.#sink(last, place);
  }

  /** Puts the event at a place, or where an event goes that is after it. */
  #rise(event: SimulatedEvent<Act>, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (!isBefore(event, this.#heap[above])) break;
      this.#put(this.#heap[above], place);
      place = above;
    }
    this.#put(event, place);
  }

  #sink(event: SimulatedEvent<Act>, from: number): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#heap.length) break;
      if (below + 1 < this.#heap.length && isBefore(this.#heap[below + 1], this.#heap[below])) below++;
      if (!isBefore(this.#heap[below], event)) break;
      this.#put(this.#heap[below], place);
      place = below;
    }
    this.#put(event, place);
  }

  #put(event: SimulatedEvent<Act>, place: number): void {
    this.#heap[place] = event;
    event.place = place;
  }
}

function isBefore(one: SimulatedEvent<unknown>, other: SimulatedEvent<unknown>): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
