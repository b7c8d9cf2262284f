import { FlexemrError } from '../../src/errors.ts';
import { type Cluster, clusterJson, parseCluster } from '../../src/plan/cluster.ts';
import type { ClusterStore, ReadCluster } from '../../src/plan/cluster-store.ts';

/** What several stores of a test read and write. */
export class Cell {
  text: string | undefined;
  revision = 0;
}

/** A store in memory. It is the model of all others: every call takes effect at one moment. */
export class MemoryStore implements ClusterStore {
  readonly #cell: Cell;

  constructor(cell: Cell) {
    this.#cell = cell;
  }

  async read(): Promise<ReadCluster> {
    const { text, revision } = this.#cell;
    if (text === undefined) throw new FlexemrError('UNAVAILABLE', 'there is no cluster');
    return { cluster: parseCluster(text), revision: String(revision) };
  }

  async replace(cluster: Cluster, revision: string | undefined): Promise<string> {
    const now = this.#cell.text === undefined ? undefined : String(this.#cell.revision);
    if (revision !== now) throw new FlexemrError('CONFLICT', 'somebody else has changed it');
    this.#cell.text = clusterJson(cluster);
    return String(++this.#cell.revision);
  }

  watch(): () => void {
    throw new Error('nobody watches it');
  }

  async close(): Promise<void> {}
}
