// A process that updates rows of a simulated cluster.
import { FlexemrError } from '../../src/errors.ts';
import { ClusterUpdater } from '../../src/host/cluster-updater.ts';
import { KeptCluster } from '../../src/plan/kept-cluster.ts';
import { Descriptions } from '../../src/simulation/descriptions.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import { Processor } from '../../src/simulation/processor.ts';
import type { UpdateMark } from '../../src/updates/updater.ts';
import type { ChangesRun } from './changes.ts';
import { ReachedLog, type SimulatedLog } from './simulated-log.ts';
import { TruthBucket } from './truth-bucket.ts';
import { stampedRow } from './update-history.ts';
import { dim } from './versioned-shards.ts';

const keysMax = 4;
const expected: readonly string[] = ['UPDATES_LOST', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CONFLICT'];

/** An update that was acknowledged. */
export interface Acknowledged {
  readonly mark: UpdateMark;
  readonly stamp: number;
  /** Whether every replica has said that it has applied it. */
  readonly isApplied: boolean;
  readonly begun: number;
}

export interface WriterEvents {
  readonly nextStamp: () => number;
  readonly onAcknowledged: (writer: UpdateWriter, acknowledged: Acknowledged) => void;
  readonly onLost: (writer: UpdateWriter, chain: string) => void;
}

export class UpdateWriter {
  readonly processor: Processor;
  readonly #run: ChangesRun;
  readonly #log: SimulatedLog;
  readonly #events: WriterEvents;
  readonly #dice: Dice;
  #updater: ClusterUpdater | undefined;

  constructor(number: number, run: ChangesRun, log: SimulatedLog, events: WriterEvents) {
    this.processor = new Processor(`writer${number}`);
    this.#run = run;
    this.#log = log;
    this.#events = events;
    this.#dice = run.world.dice.fork();
  }

  async open(): Promise<void> {
    const { world, truth, network } = this.#run;
    const { processor } = this;
    this.#updater = await world.in(processor, () => {
      const store = new KeptCluster(new TruthBucket(truth, processor));
      return new ClusterUpdater(store, new ReachedLog(this.#log, processor), new Descriptions(network));
    });
  }

  /** Updates some rows of a table, or all of them. @returns its error @throws if it ends late, or with an error that nobody expects */
  async write(
    table: number,
    deadline = this.#dice.pick([1_000, 5_000, 20_000]),
    isWhole = false,
  ): Promise<FlexemrError | undefined> {
    const { world, plan } = this.#run;
    const stamp = this.#events.nextStamp();
    const count = plan.rows[table];
    const all = Array.from({ length: count }, (_, key) => key);
    const some = (): number[] =>
      Array.from({ length: this.#dice.between(1, keysMax) }, () => this.#dice.pick(all));
    const keys = isWhole ? all : [...new Set(some())];
    const until = this.#dice.pick(['applied', 'written'] as const);
    const rows = Float32Array.from(keys.flatMap((key) => stampedRow(key, stamp, dim)));
    const begun = world.now;
    try {
      const mark = await world.in(this.processor, () =>
        this.#updater?.update({ [`t${table}`]: { keys: Uint32Array.from(keys), rows } }, { deadline, until }),
      );
      world.history.add(`${this.processor.name}: update ${stamp} is ${until}`);
      if (mark) this.#events.onAcknowledged(this, { mark, stamp, isApplied: until === 'applied', begun });
      return undefined;
    } catch (error) {
      if (!(error instanceof FlexemrError) || !expected.includes(error.code)) throw error;
      world.history.add(`${this.processor.name}: update ${stamp}: ${error}`);
      if (error.code === 'UPDATES_LOST')
        for (const [, chain] of error.message.matchAll(/chain (\w+) ended/g))
          this.#events.onLost(this, chain);
      return error;
    }
  }

  async close(): Promise<void> {
    await this.#run.world.in(this.processor, () => this.#updater?.close());
  }
}
