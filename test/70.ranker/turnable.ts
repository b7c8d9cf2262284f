import type { RoutingSource } from '../../src/plan/routing-source.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';

/** A source that a test can change. Every read and every watcher gets the current table. */
export class Turnable implements RoutingSource {
  now: RoutingTable;
  reads = 0;
  readonly #watchers = new Set<(routing: RoutingTable) => void>();

  constructor(now: RoutingTable) {
    this.now = now;
  }

  async read(): Promise<RoutingTable> {
    this.reads++;
    return this.now;
  }

  watch(onChange: (routing: RoutingTable) => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  turn(to: RoutingTable): void {
    this.now = to;
    for (const onChange of this.#watchers) onChange(to);
  }

  get watchers(): number {
    return this.#watchers.size;
  }
}
