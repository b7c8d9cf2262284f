// A memory node as a model on a simulated clock: one worker that answers in order, and the callers of a ranker.
import { Deadline } from '../../src/ranker/deadline.ts';
import { NodeClient } from '../../src/ranker/node-client.ts';
import type { ReplyBudget } from '../../src/ranker/reply-budget.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { World } from '../../src/simulation/world.ts';
import { type Exchange, type Outgoing, type Transport, unpooled } from '../../src/transport/transport.ts';
import { HEADER_BYTES, wireVersion } from '../../src/wire/layout.ts';
import { writeReplyHeader, writeReplyLoad } from '../../src/wire/reply.ts';

export interface ModelOptions {
  /** Of the network, there and back, and what may be added to it each way. */
  readonly roundTripMs: number;
  readonly jitterMs: number;
  /** Of one subrequest: the mean, of uniform times from 0 to twice of it. */
  readonly serviceMs: number;
  readonly replyBytes: number;
}

export class ModelNode {
  /** 10: it is ten times as slow. */
  slowness = 1;
  /** The thread of the ranker hears of no reply until then. */
  pausedUntil = 0;
  inFlight = 0;
  /** Since they were set to 0. */
  answered = 0;
  mostInFlight = 0;
  /** The sum of the waits before the worker had time. */
  waitsMs = 0;
  readonly client: NodeClient;
  readonly transport: Transport;
  readonly #world: World;
  readonly #dice: Dice;
  readonly #options: ModelOptions;
  #freeAt = 0;

  constructor(world: World, name: string, budget: ReplyBudget, options: ModelOptions) {
    this.#world = world;
    this.#dice = world.dice.fork();
    this.#options = options;
    const description = {
      ...{ node: name, plan: 'any', workers: [], tables: [], wireVersions: [1, wireVersion] as const },
      limits: { subrequestBytes: 2 ** 20, replyBytes: 2 ** 20, subrequestKeys: 2 ** 20, sessionWindow: 64 },
    };
    this.transport = {
      name: 'model',
      session: () => ({ send: () => this.#send(), close: async () => {} }),
      describe: async () => description,
      traffic: () => ({ bytesOut: 0, bytesIn: 0 }),
      close: async () => {},
    };
    this.client = new NodeClient(name, `http://${name}`, this.transport, budget);
  }

  #send(): Exchange {
    const { roundTripMs, jitterMs, serviceMs } = this.#options;
    const [dice, world] = [this.#dice, this.#world];
    const oneWay = (): number => roundTripMs / 2 + (dice.between(0, 1_000) / 1_000) * jitterMs;
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    const arrived = world.now + oneWay();
    const begun = Math.max(arrived, this.#freeAt);
    const busyMs = (dice.between(0, 2_000) / 1_000) * serviceMs * this.slowness;
    this.#freeAt = begun + busyMs;
    this.waitsMs += begun - arrived;
    const { promise: reply, resolve } = Promise.withResolvers<ReturnType<typeof unpooled>>();
    const done = Promise.withResolvers<void>();
    const end = (): void => {
      this.inFlight--;
      this.answered++;
      resolve(unpooled(replyOf(busyMs)));
      done.resolve();
    };
    const heard = (): void => {
      if (world.now < this.pausedUntil) world.at(this.pausedUntil, heard);
      else end();
    };
    world.at(this.#freeAt + oneWay(), heard);
    return { reply, cancel: () => done.promise };
  }

  /** So many callers ask one subrequest after the other, until a time. @param deadlineMs of each subrequest @param client default: its own */
  async ask(callers: number, untilMs: number, deadlineMs = 60_000, client = this.client): Promise<void> {
    const { replyBytes } = this.#options;
    const outgoing: Outgoing = { bytes: 0, replyBytes, replyBytesMax: replyBytes, write: () => {} };
    const loop = async (): Promise<void> => {
      while (this.#world.now < untilMs) {
        using deadline = new Deadline(deadlineMs, undefined);
        await client.ask(outgoing, deadline).catch(() => {});
      }
    };
    await Promise.all(Array.from({ length: callers }, loop));
  }

  /** Counts from now on. */
  restart(): void {
    [this.answered, this.waitsMs, this.mostInFlight] = [0, 0, this.inFlight];
  }
}

function replyOf(busyMs: number): Uint8Array {
  const words = new Uint32Array(HEADER_BYTES / 4);
  const identity = { id: 0, version: wireVersion, checksum: false };
  writeReplyHeader(words, 0, identity, { bytes: HEADER_BYTES, exceptions: 0 });
  writeReplyLoad(words, 0, {
    requestCredits: 64,
    replyCredits: 64,
    queued: 0,
    busyUs: Math.round(busyMs * 1_000),
  });
  return new Uint8Array(words.buffer);
}
