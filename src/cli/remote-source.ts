import { deadlineMsMax } from '../limits.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { Ranker, RankerStats } from '../ranker/ranker.ts';
import type { VectorOptions } from '../scorer/batch-run.ts';
import type { OpenSource } from './lookup-source.ts';

/** Memory nodes as the source of a command, with its deadline. Nodes that the command has started end with it. */
export class RemoteSource implements OpenSource {
  readonly ranker: Ranker;
  readonly #deadline: number | undefined;
  readonly #cluster: AsyncDisposable | undefined;

  constructor(ranker: Ranker, deadline: number | undefined, cluster?: AsyncDisposable) {
    this.ranker = ranker;
    this.#deadline = deadline;
    this.#cluster = cluster;
  }

  get specs(): readonly TableSpec[] {
    return this.ranker.specs;
  }

  get stats(): RankerStats {
    return this.ranker.stats;
  }

  /** The earlier deadline counts. */
  lookup(bags: KeyedBags, { deadline, trace }: VectorOptions = {}): Promise<Lookup> {
    const ms = Math.min(deadline ?? deadlineMsMax, this.#deadline ?? deadlineMsMax);
    const given = deadline === undefined && this.#deadline === undefined ? undefined : ms;
    return this.ranker.lookup(bags, { deadline: given, trace });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ranker.close();
    await this.#cluster?.[Symbol.asyncDispose]();
  }
}
