// The threads of engines in a simulation: each is a Processor of its own, and messages between threads take time.
import type { Engine } from '../../src/engine/engine.ts';
import type {
  EngineControl,
  EngineEvents,
  EngineSetup,
  EngineThreads,
  RunningEngine,
} from '../../src/engine/engine-control.ts';
import { openEngine } from '../../src/engine/open-engine.ts';
import type { WakeChannel } from '../../src/engine/wake-port.ts';
import { FlexemrError } from '../../src/errors.ts';
import { errorOf, failureOf } from '../../src/failure.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { Network } from '../../src/simulation/network.ts';
import { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { Line, wakeChannel } from './thread-messages.ts';
import type { CountedTransport } from './transport.ts';

/** An engine looks for work again and again without time passing, unless a turn of its event loop takes some. */
const turnMs = 0.01;
const costs = { wakeMs: 0, readMs: 0, writeMs: 0, restMs: 0, turnMs, pauses: { everyMs: 0, ms: 0 } };

/** One of them, from its start until its end. */
export interface SimulatedEngine {
  /** Number of the engines that have started together. */
  readonly team: number;
  readonly place: number;
  readonly processor: Processor;
  readonly transport: CountedTransport;
  /** Once it has started. */
  ranker: InlineRanker | undefined;
  engine: Engine | undefined;
  /** How often it is held, so that the process does not end. */
  holds: number;
  closed: boolean;
  readonly die: (cause: Error) => void;
  /** Rings the bell of the thread that asks. */
  readonly ring: () => void;
}

export interface SimulatedThreadsOptions {
  readonly world: World;
  readonly network: Network;
  /** The thread that asks. */
  readonly application: Processor;
  readonly workspaceBytes: number;
  /** Most milliseconds until a message reaches another thread. */
  readonly messageMsMax: number;
  /** What share of the time each engine says that it is busy. */
  readonly busy: readonly number[];
  readonly transport: () => CountedTransport;
}

/** All that one ranker has ever started. */
export class SimulatedThreads implements EngineThreads {
  readonly #of: SimulatedThreadsOptions;
  readonly #dice: Dice;
  readonly #all: SimulatedEngine[] = [];
  #live: readonly SimulatedEngine[] = [];
  #whole: readonly SimulatedEngine[] = [];
  #started = 0;
  /** Moves after which the new engine may keep a connection that it does not own. */
  movesFailed = 0;

  constructor(of: SimulatedThreadsOptions) {
    this.#of = of;
    this.#dice = of.world.dice.fork();
  }

  /** Those that have not ended, and those of them of which no other one that has started with them has ended. */
  get live(): readonly SimulatedEngine[] {
    return this.#live;
  }

  get whole(): readonly SimulatedEngine[] {
    return this.#whole;
  }

  /** One has started, or has ended. */
  #changed(): void {
    const isOver = ({ processor, closed }: SimulatedEngine): boolean => processor.dead || closed;
    const ended = new Set(this.#all.filter(isOver).map(({ team }) => team));
    this.#live = this.#all.filter((engine) => !isOver(engine));
    this.#whole = this.#live.filter(({ team }) => !ended.has(team));
  }

  /** Replies that had to wait at their nodes, of all that there ever were. */
  get held(): number {
    return this.#all.reduce((sum, { transport }) => sum + transport.held, 0);
  }

  channel(): WakeChannel {
    return wakeChannel(this.#of.world, () => this.#line());
  }

  #line(): Line {
    return new Line(this.#of.world, this.#dice, this.#of.messageMsMax);
  }

  async start(
    setup: EngineSetup,
    events: EngineEvents,
    onEnd: (error: Error) => void,
  ): Promise<RunningEngine> {
    const { world, network, application, workspaceBytes, busy } = this.#of;
    const { place, engines } = setup;
    const team = Math.floor(this.#started++ / engines);
    const processor = new Processor(`${application.name}.${team}.engine${place}`, costs);
    const [down, up] = [this.#line(), this.#line()];
    // Calls that begin once the application knows of the end are never answered, either.
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => {});
    let ending = false;
    const kill = (error: Error): void => {
      world.kill(processor);
      this.#changed();
      network.end(processor);
      up.send(application, () => {
        const message = `an engine has ended: ${error.message}`;
        ended.reject(new FlexemrError('WORKER_FAILED', message, { field: 'engines' }));
        if (!ending) onEnd(error);
      });
    };
    const engine: SimulatedEngine = {
      ...{ team, place, processor, transport: this.#of.transport() },
      ...{ ranker: undefined, engine: undefined, holds: 1, closed: false, die: kill },
      ring: () => setup.port.postMessage(0),
    };
    this.#all.push(engine);
    this.#changed();
    /** Calls the engine. The answer comes back to the thread that has called. */
    const call = <T>(act: () => Promise<T> | T): Promise<T> => {
      const from = world.processor;
      const answered = new Promise<T>((resolve, reject) => {
        const end = (settle: () => void): void => up.send(from, settle);
        down.send(processor, () => {
          new Promise<T>((done) => done(act())).then(
            (value) => end(() => resolve(value)),
            (error: Error) => end(() => reject(error)),
          );
        });
      });
      return Promise.race([answered, ended.promise]);
    };
    const end = async (): Promise<void> => {
      ending = true;
      if (!engine.closed && !processor.dead) kill(new Error('terminated'));
    };
    const host = {
      transport: engine.transport,
      openRanker: async (parts: Parameters<typeof InlineRanker.open>[0]): Promise<InlineRanker> => {
        engine.ranker = await InlineRanker.open(parts);
        return engine.ranker;
      },
      // Time passes only while no thread runs.
      spinUsMax: 0,
      activeMs: () => (busy[place] ?? 0) * world.now,
    };
    try {
      engine.engine = await call(() =>
        openEngine(
          { ...setup, routing: structuredClone(setup.routing) },
          {
            ...host,
            openRanker: (parts) =>
              host.openRanker({ ...parts, workspaceBytes, module: kernelModule('ranker') }),
          },
          this.#eventsOf(events, processor),
        ),
      );
    } catch (error) {
      await end();
      throw errorOf(failureOf(error));
    }
    const opened = engine.engine;
    const hold = (holding: boolean): void => {
      engine.holds += holding ? 1 : -1;
      if (engine.holds < 0) world.fail(new Error('an engine is let go more often than it is held'));
    };
    const held = async <T>(act: () => Promise<T> | T): Promise<T> => {
      hold(true);
      try {
        return await call(act);
      } finally {
        hold(false);
      }
    };
    const control: EngineControl = {
      lookUp: async (lookup) => {
        const copy = structuredClone(lookup);
        await call(() => opened.lookUp(copy));
      },
      reroute: (routing) => {
        const copy = structuredClone(routing);
        down.send(processor, () => opened.reroute(copy));
      },
      resizeCache: (size) => held(() => opened.resizeCache(size)),
      checkNodes: () => held(() => opened.checkNodes()),
      prepare: (connection) =>
        held(() => opened.prepare(connection)).catch((error: unknown) => {
          this.movesFailed++;
          throw error;
        }),
      leave: (connection) => held(() => opened.leave(connection)),
      observe: () => down.send(processor, () => opened.observe()),
      close: () =>
        held(() => opened.close()).then(
          () => {
            engine.closed = true;
            this.#changed();
          },
          () => {},
        ),
    };
    return { control, hold, end };
  }

  /** What the application hears of an engine. */
  #eventsOf(events: EngineEvents, processor: Processor): EngineEvents {
    const { application } = this.#of;
    const [up, down] = [this.#line(), this.#line()];
    const tell =
      <Given extends unknown[]>(act: (...given: Given) => unknown) =>
      (...given: Given): void => {
        const copy = structuredClone(given);
        up.send(application, () => act(...copy));
      };
    return {
      answered: tell(events.answered),
      failed: tell(events.failed),
      plan: tell(events.plan),
      routingFailed: tell(events.routingFailed),
      nodes: tell(events.nodes),
      subrequests: tell(events.subrequests),
      readRouting: () =>
        new Promise((resolve, reject) => {
          const read = (): void =>
            void events.readRouting().then((answer) => {
              const copy = structuredClone(answer);
              down.send(processor, () => resolve(copy));
            }, reject);
          up.send(application, read);
        }),
    };
  }
}
