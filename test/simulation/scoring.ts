// A scorer on top of a ranker, the requests that it gets, and what must be true of each of them.
import { FlexemrError } from '../../src/errors.ts';
import { describeModel } from '../../src/model/describe-model.ts';
import { planModel } from '../../src/model/model-plan.ts';
import type { Tensors } from '../../src/model/tensor.ts';
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import { Scorer } from '../../src/scorer/scorer.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { World } from '../../src/simulation/world.ts';
import { Adder } from '../75.scorer/adder.ts';
import type { LoadOptions, SimulatedRanker } from './load.ts';
import type { Plan } from './plan.ts';
import type { Feature, Requests } from './requests.ts';
import { recoveryMsMax, type Troubles } from './troubles.ts';

type ScorerPlan = NonNullable<Plan['scorer']>;

/** Not the width of any tables together, which an input without a name of theirs would be taken for. */
const denseWidth = 67;
const candidatesMax = 8;
/** A run of a network takes at most so long, and some fail. */
const networkMsMax = 20;
const failingShare = 0.25;
/** A deadline that no queue is too long for. */
const patientMs = 5_000;

/** A network whose runs take time, one after the other in each thread, and fail sometimes. */
class SimulatedNetwork extends Adder {
  override readonly threads: number;
  readonly #dice: Dice;
  readonly #world: World;
  /** When it is over. Nothing fails then. */
  calm = false;

  constructor(world: World, shape: ConstructorParameters<typeof Adder>[0], threads: number) {
    super(shape);
    this.threads = threads;
    this.#world = world;
    this.#dice = world.dice.fork();
  }

  override async run(network: number, inputs: Tensors): Promise<Tensors> {
    await new Promise((done) => setTimeout(done, this.#dice.between(1, networkMsMax)));
    if (!this.calm && this.#dice.chance(failingShare)) {
      this.#world.history.add('a thread of the networks ends');
      throw new FlexemrError('WORKER_FAILED', 'a simulated thread has ended');
    }
    return await super.run(network, inputs);
  }
}

/** What a scorer stands on. */
interface ScoredRanker extends SimulatedRanker {
  readonly requests: Requests;
  readonly troubles: Troubles;
}

export class Scoring {
  readonly #world: World;
  readonly #of: ScoredRanker;
  readonly #plan: ScorerPlan;
  readonly #options: LoadOptions;
  readonly #tables: readonly PlannedTable[];
  readonly #network: SimulatedNetwork;
  readonly #scorer: Scorer;
  #begun = 0;
  #ended = 0;
  /** Endings that the scorer has reported. */
  #reported = 0;
  #answered = 0;
  #closing = false;

  /** @param tables of which the model uses some */
  constructor(
    world: World,
    of: ScoredRanker,
    plan: ScorerPlan,
    tables: readonly PlannedTable[],
    options: LoadOptions,
  ) {
    this.#world = world;
    this.#of = of;
    this.#plan = plan;
    this.#options = options;
    this.#tables = tables;
    const specs = tables.map(({ spec }) => spec);
    const pooled = Object.fromEntries(specs.map(({ name, dim }) => [name, [dim]]));
    const shape = { inputs: { dense: [denseWidth], ...pooled }, outputs: { logit: [] } };
    this.#network = new SimulatedNetwork(world, [shape], plan.threads);
    const { networks } = this.#network;
    const { batchCandidates, batchDelay, queueCandidates } = plan;
    const ended = (): void => void this.#reported++;
    const ignored = (): void => {};
    this.#scorer = new Scorer({
      ...{ source: of.ranker, dense: this.#network, tracer: undefined },
      plan: planModel(describeModel(networks, specs, 'simulated'), networks, specs),
      batching: { batchCandidates, batchDelay, queueCandidates },
      observer: { ended, waited: ignored, batch: ignored, stage: ignored },
    });
  }

  get counts(): { readonly begun: number; readonly answered: number } {
    return { begun: this.#begun, answered: this.#answered };
  }

  /** Requests that begin independently of each other, and crowds for which the queue is too short. */
  async storm(): Promise<void> {
    const dice = this.#world.dice.fork();
    const begun: Promise<void>[] = [];
    for (let i = 0; i < this.#plan.requests; i++) {
      for (let more = dice.chance(0.05) ? this.#plan.queueCandidates : 1; more > 0; more--)
        begun.push(this.#score(dice, dice.pick([30, 300, 1_000, 5_000])));
      await this.#world.sleep(dice.wait(this.#plan.betweenMs));
    }
    await Promise.all(begun);
    this.#checkEnds();
    this.#network.calm = true;
  }

  /** What the queue holds when the scorer is closed is refused. */
  async close(): Promise<void> {
    const dice = this.#world.dice.fork();
    const last = Array.from({ length: 6 }, () => this.#score(dice, 10_000));
    await this.#world.sleep(dice.between(0, networkMsMax));
    this.#closing = true;
    await this.#world.in(this.#of.processor, () => this.#scorer.close());
    await Promise.all(last);
    this.#checkEnds();
    const { queued, running } = this.#scorer.stats;
    if (queued + running > 0) throw new Error(`a closed scorer has ${queued} candidates, ${running} batches`);
  }

  #checkEnds(): void {
    if (this.#begun !== this.#ended || this.#begun !== this.#reported)
      throw new Error(`of ${this.#begun} requests, ${this.#ended} ended, and ${this.#reported} were counted`);
    const { requests, errors } = this.#scorer.stats;
    const counted = Object.values(errors).reduce((sum, count) => sum + count, requests);
    if (counted !== this.#begun)
      throw new Error(`a scorer has counted ${counted} of ${this.#begun} requests`);
  }

  async #score(dice: Dice, deadline: number): Promise<void> {
    const number = ++this.#begun;
    const { now: begun, history } = this.#world;
    const candidates = dice.between(1, candidatesMax);
    const features = this.#tables.map((table) => this.#of.requests.pooled(table, candidates));
    const dense = Float32Array.from({ length: candidates * denseWidth }, () => dice.between(-8, 8) / 4);
    const bags = Object.fromEntries(
      features.map(({ bags: { table, keys, lengths } }) => [table, { keys, lengths }]),
    );
    const known = this.#options.known();
    history.add(`request ${number} of ${candidates} candidates begins, ${deadline} ms`);
    try {
      const { outputs } = await this.#world.in(this.#of.processor, () =>
        this.#scored({ bags, dense: { dense } }, deadline),
      );
      this.#answered++;
      history.add(`request ${number} is scored`);
      this.#check(number, outputs.logit, { dense, features, known });
    } catch (error) {
      history.add(`request ${number} fails: ${error}`);
      this.#explain(number, error, begun, deadline);
    }
    this.#ended++;
    if (this.#world.now > begun + deadline)
      throw new Error(`request ${number} ended ${this.#world.now - begun - deadline} ms after it had to`);
  }

  #scored(request: Parameters<Scorer['score']>[0], deadline: number): ReturnType<Scorer['score']> {
    const scores = this.#scorer.score(request, { deadline });
    const { queued } = this.#scorer.stats;
    if (queued > this.#plan.queueCandidates)
      this.#world.fail(new Error(`${queued} candidates are in the queue`));
    return scores;
  }

  /** @throws unless the scores are those of the reference, for some cuts that the ranker may have used */
  #check(
    number: number,
    logits: Float32Array,
    { dense, features, known }: { dense: Float32Array; features: readonly Feature[]; known: number },
  ): void {
    let all: (readonly string[])[] = [[]];
    for (const { bags } of features) {
      const cuts = [...new Set(this.#options.cutsOf(bags.table, known))];
      all = all.flatMap((chosen) => cuts.map((cut) => [...chosen, cut]));
    }
    if (all.some((cuts) => isScore(logits, dense, features, cuts))) return;
    throw new Error(`request ${number}: its scores are wrong`);
  }

  #explain(number: number, error: unknown, begun: number, deadline: number): void {
    const unexplained = new Error(`nothing explains how request ${number} fails: ${error}`, { cause: error });
    if (!(error instanceof FlexemrError)) throw unexplained;
    if (error.code === 'RELEASED' && this.#closing) return;
    // Requests wait for others, so that a short deadline or a queue is an explanation by itself.
    if (error.code === 'DEADLINE_EXCEEDED' && deadline < patientMs) return;
    if (error.code === 'OVERLOADED' && (error.field === 'queue' || error.field === 'deadline')) return;
    if (error.code === 'WORKER_FAILED' && !this.#network.calm) return;
    const names = new Set(this.#tables.map(({ spec }) => spec.name));
    const nodes = new Set(this.#options.setsOf(names).flatMap((set) => [...set]));
    const isOfNodes = ['UNAVAILABLE', 'OVERLOADED', 'STALE_ROUTING', 'DEADLINE_EXCEEDED'].includes(
      error.code,
    );
    // A fault that has ended long ago does not explain why nobody has told the request so.
    const since = error.code === 'DEADLINE_EXCEEDED' ? this.#world.now - recoveryMsMax : begun;
    if (!isOfNodes || !this.#of.troubles.explain(nodes, since, this.#world.now)) throw unexplained;
  }
}

/** Whether the network gives these logits for the vectors that the reference pools. */
function isScore(
  logits: Float32Array,
  dense: Float32Array,
  features: readonly Feature[],
  cuts: readonly string[],
): boolean {
  const pooled = features.map(({ expected }, i) => expected(cuts[i]));
  return logits.every((logit, row) => {
    let sum = 0;
    const add = (value: number): void => {
      sum = Math.fround(sum + value);
    };
    dense.subarray(row * denseWidth, (row + 1) * denseWidth).forEach(add);
    for (const { values, dim } of pooled) values.subarray(row * dim, (row + 1) * dim).forEach(add);
    return Object.is(logit, sum) || (Number.isNaN(logit) && Number.isNaN(sum));
  });
}
