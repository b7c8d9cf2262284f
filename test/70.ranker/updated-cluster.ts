// Clusters in which some shards take updates. Each node notes which shards it is asked for.
import type { UpdatedTo, UpdateRecord } from '../../src/memory-node/update-record.ts';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { readSubrequest } from '../40.wire/read-subrequest.ts';
import { withUpdates } from '../50.memory-node/updated-hosting.ts';
import { Meddler } from '../60.transport/meddler.ts';
import { Cluster, type ClusterOptions } from '../cluster.ts';

export class UpdatedCluster implements AsyncDisposable {
  readonly cluster: Cluster;
  /** The update records of each node, by the number of the shard. */
  readonly records: ReadonlyMap<string, ReadonlyMap<number, UpdateRecord>>;
  readonly meddlers: ReadonlyMap<string, Meddler>;
  /** Shards that were asked for, by the node that was asked. */
  readonly asked: readonly { readonly node: string; readonly shard: number }[];

  /** @param takes whether a shard takes updates */
  static async start(
    options: ClusterOptions,
    takes: (shard: number) => boolean = () => true,
  ): Promise<UpdatedCluster> {
    const records = new Map<string, ReadonlyMap<number, UpdateRecord>>();
    const meddlers = new Map<string, Meddler>();
    const asked: { node: string; shard: number }[] = [];
    const cluster = await Cluster.start({
      ...options,
      adapt(hosting, node) {
        const updated = withUpdates(hosting, takes);
        records.set(node, updated.records);
        return updated.hosting;
      },
      wrap(handler, node) {
        const meddler = new Meddler(handler);
        meddler.subrequest = (frame) => {
          const read = readSubrequest(new Uint32Array(frame.slice().buffer), 0, frame.length);
          if ('segments' in read) asked.push(...read.segments.map(({ shard }) => ({ node, shard })));
        };
        meddlers.set(node, meddler);
        return meddler;
      },
    });
    return new UpdatedCluster(cluster, records, meddlers, asked);
  }

  private constructor(
    cluster: Cluster,
    records: UpdatedCluster['records'],
    meddlers: UpdatedCluster['meddlers'],
    asked: { node: string; shard: number }[],
  ) {
    this.cluster = cluster;
    this.records = records;
    this.meddlers = meddlers;
    this.asked = asked;
  }

  /** What a lookup says if these shards have answered. */
  updatesOf(asked: readonly { readonly node: string; readonly shard: number }[]): Map<string, object[]> {
    const names = new Map(
      numberedShards(this.cluster.routing).map(({ number, table }) => [number, table.spec.name]),
    );
    const updates = new Map<string, object[]>();
    for (const { number: shard } of numberedShards(this.cluster.routing)) {
      const answer = asked.find((each) => each.shard === shard);
      const updatedTo = answer && this.records.get(answer.node)?.get(shard)?.updatedTo;
      if (updatedTo === undefined) continue;
      const name = names.get(shard) ?? '';
      updates.set(name, [...(updates.get(name) ?? []), { shard, ...updatedTo }]);
    }
    return updates;
  }

  /** Gives all records what a function says. */
  serve(updatedTo: (shard: number, node: string) => UpdatedTo): void {
    for (const [node, records] of this.records)
      for (const [shard, record] of records) record.serve(updatedTo(shard, node));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}
