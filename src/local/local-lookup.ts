// One lookup in this process: ask, answer, merge, in the arenas of the tables.
import { FlexemrError } from '../errors.ts';
import { ANSWER_EXCEPTIONS } from '../kernel/answer-layout.ts';
import * as layout from '../kernel/ask-layout.ts';
import { INDEX_SCRATCH_BYTES, SCRATCH_BYTES } from '../kernel/layout.ts';
import { answerListBytes, writeAnswerList } from '../kernel/run-answers.ts';
import { partsPerThread, threadedKeysMin, u32Max } from '../limits.ts';
import { AskedLookup, type AskOptions } from '../lookup/asked.ts';
import type { AskedRoom } from '../lookup/asked-room.ts';
import type { BagReader } from '../lookup/bag-reader.ts';
import { type CheckedReply, ReplyMerge } from '../lookup/merged.ts';
import { errorOf, firstOf } from '../lookup/node-error.ts';
import { type Lookup, PooledLookup } from '../lookup/pooled.ts';
import type { Answer } from '../memory-node/answer.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { BufferPool, PooledBytes } from '../store/buffer-pool.ts';
import { noSlot } from '../store/key-index.ts';
import type { ThreadPool } from '../store/thread-pool.ts';
import { FRAME_VERSION, HEADER_BYTES, wireVersion } from '../wire/layout.ts';
import type { ReplyLoad } from '../wire/reply.ts';
import { type LocalPlan, slotIn } from './local-plan.ts';

/** A frame of a lookup, in the arena of its rows, and its answer. */
export interface LocalFrame {
  readonly number: number;
  /** The place of its arena. */
  readonly arena: number;
  readonly answer: Answer;
  close(): void;
}

/** What a lookup uses. */
export interface LocalContext {
  readonly plan: LocalPlan;
  readonly reader: BagReader;
  /** Memory for results. */
  readonly pool: BufferPool;
  readonly threads: ThreadPool;
}

/** @throws as Tables.lookup */
export async function lookUpHere(
  bags: KeyedBags,
  { plan, reader, pool, threads }: LocalContext,
): Promise<Lookup> {
  reader.read(bags, plan.tableOf);
  const splitKeys = splitKeysOf(reader, threads.threads);
  const options = askOptions(splitKeys);
  const room = AskedLookup.room(reader, options, plan.served.length);
  const bytes = room.bytes + otherBytesMax(reader, plan, threads.threads);
  try {
    return await lookUpRead(bags, { plan, reader, pool, threads }, options, room);
  } catch (error) {
    // The error says how much is enough for all steps, not for the one that failed.
    if (!(error instanceof FlexemrError) || error.code !== 'OUT_OF_MEMORY') throw error;
    throw noSlot(bytes, plan.memory.memory.slots.largest);
  }
}

/** As lookUpHere, after the bags were read. */
async function lookUpRead(
  bags: KeyedBags,
  { plan, reader, pool, threads }: LocalContext,
  options: AskOptions,
  room: AskedRoom,
): Promise<Lookup> {
  const block = slotIn(plan.memory.memory, room.bytes);
  const asked = new AskedLookup(plan.memory, reader, options, block, room);
  reader.clear();
  asked.open(bags, plan.tableOf);
  const frames: LocalFrame[] = [];
  try {
    while (!asked.prepare());
    for (let i = 0; i < asked.frames; i++) frames.push(openFrame(asked, plan, i));
    if (options.splitKeys > 0) await answerTogether(frames, plan, threads);
    else for (const { answer } of frames) while (answer.step(u32Max) === false);
    return merged(asked, repliesOf(asked, frames), pool);
  } finally {
    for (const frame of frames) frame.close();
    asked.close();
  }
}

/** Keys of each part, if several threads share the lookup; 0: this thread does all of it. */
function splitKeysOf({ keys, count }: BagReader, threads: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += keys[i].length;
  return threads === 1 || sum < threadedKeysMin ? 0 : Math.ceil(sum / (threads * partsPerThread));
}

/** Options of every lookup in this process. Rows that are here need not be fetched. */
function askOptions(splitKeys: number): AskOptions {
  return { onMissing: undefined, pushDown: 'always', deduplicateBags: true, splitKeys };
}

/** Bytes of slots that are enough for everything but the bags of a lookup. */
function otherBytesMax(reader: BagReader, plan: LocalPlan, threads: number): number {
  let { bytes } = plan;
  for (let i = 0; i < reader.count; i++) {
    const { spec } = reader.tables[i];
    const keys = reader.keys[i].length;
    const results = spec.mode === 'none' ? keys : reader.bags[i];
    // The reply, what is merged of it, and the results; for each key, exceptions and outcomes in all of them.
    bytes += 3 * results * (spec.dim * 4 + 16) + 20 * keys + 4_096;
  }
  return bytes + (threads + 2) * (SCRATCH_BYTES + INDEX_SCRATCH_BYTES);
}

/** Runs the answers on all threads. @throws OUT_OF_MEMORY, WORKER_FAILED */
async function answerTogether(
  frames: readonly LocalFrame[],
  { served }: LocalPlan,
  threads: ThreadPool,
): Promise<void> {
  using slots = new DisposableStack();
  const shared = [...Map.groupBy(frames, ({ arena }) => arena)].map(([place, own]) => {
    const { arena } = served[place].arena;
    const take = (bytes: number): number => {
      const address = slotIn(arena, bytes);
      slots.defer(() => arena.slots.free(address, bytes));
      return address;
    };
    const list = take(answerListBytes(own.length));
    const blocks = own.map(({ answer }) => answer.block);
    writeAnswerList(arena.words, list, blocks);
    const scratches = Array.from({ length: threads.threads }, () =>
      take(SCRATCH_BYTES + INDEX_SCRATCH_BYTES),
    );
    return { arena, list, scratches };
  });
  await threads.answer(shared);
}

function merged(asked: AskedLookup, replies: readonly CheckedReply[], pool: BufferPool): Lookup {
  const merge = new ReplyMerge(asked, replies, ({ memory }, bytes) => {
    const address = slotIn(memory, bytes);
    return { memory, address, free: () => memory.slots.free(address, bytes) };
  });
  try {
    while (!merge.step());
    const results = { results: merge.results(pool), pool };
    return new PooledLookup(
      asked.names,
      results,
      replies.map((reply) => copyOf(reply, pool)),
    );
  } finally {
    merge.close();
  }
}

/** Opens the answer to a frame. A frame for another arena is copied there. @throws OUT_OF_MEMORY, INVALID_KEY */
function openFrame(asked: AskedLookup, { served }: LocalPlan, number: number): LocalFrame {
  const { words, bytes } = asked.memory;
  const fields = [layout.SENT_NODE, layout.SENT_BYTES, layout.SENT_ADDRESS];
  const [node, length, at] = fields.map((field) => asked.sent(number, field));
  const home = served[node];
  const here = home.arena.bytes === bytes;
  const address = here ? at : slotIn(home.arena, length);
  const free = (): void => {
    if (!here) home.arena.slots.free(address, length);
  };
  words[(at + FRAME_VERSION) >>> 2] = wireVersion;
  if (!here) home.arena.bytes.set(bytes.subarray(at, at + length), address);
  const error = home.open(address, length);
  const answer = error === undefined ? home.answer() : undefined;
  if (answer !== undefined) {
    const close = (): void => {
      answer.close();
      free();
    };
    return { number, arena: node, answer, close };
  }
  free();
  if (error === undefined) throw noSlot(home.replyBytesMax, home.arena.arena.slots.largest);
  throw errorOf(asked, asked.segmentsOf(number)[error.segment ?? 0], error);
}

/** The replies, where they are. @throws the error of the first key that was refused */
function repliesOf(asked: AskedLookup, frames: readonly LocalFrame[]): CheckedReply[] {
  const refused = frames.flatMap(({ number, answer: { error } }) =>
    error === undefined ? [] : [errorOf(asked, asked.segmentsOf(number)[error.segment ?? 0], error)],
  );
  if (refused.length > 0) throw firstOf(refused, asked.names.list);
  return frames.map(({ answer }) => {
    return { bytes: answer.reply(noLoad), exceptionCount: answer.at(ANSWER_EXCEPTIONS), viewed: false };
  });
}

const noLoad: ReplyLoad = { requestCredits: 0, replyCredits: 0, queued: 0, busyUs: 0 };

/** The vectors and counts of a reply, if results are used as they are in it. */
function copyOf({ bytes, viewed }: CheckedReply, pool: BufferPool): PooledBytes | undefined {
  if (!viewed) return undefined;
  const copy = pool.take(Math.max(HEADER_BYTES, bytes.length));
  copy.bytes.set(bytes);
  return copy;
}
