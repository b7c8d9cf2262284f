// Two connected queue pairs over one memory, on the first device of this machine, with helpers for tests.
import { setImmediate as turn } from 'node:timers/promises';
import {
  access,
  COMPLETION_WORDS,
  CompletionQueue,
  Context,
  completionStatus,
  devices,
  type Gid,
  MemoryRegion,
  ParentDomain,
  ProtectionDomain,
  QueuePair,
  type QueuePairOptions,
  RECEIVE_WORDS,
  REQUEST_WORDS,
  type ReadyToSendOptions,
} from 'ibverbs-node';

export const everyAccess: number =
  access.localWrite | access.remoteWrite | access.remoteRead | access.remoteAtomic;
const patienceMs = 60_000;

/** Whether the verbs come from the kernel, and not from a stand-in in this process. */
export const onKernel: boolean = process.env.IBVERBS_LIBRARY === undefined;

/** The device that tests use. If there is none, prints a warning and returns undefined. */
export function firstDevice(): string | undefined {
  try {
    const name = devices()[0]?.name;
    if (name === undefined) console.warn('ibverbs-node: no RDMA device here, so tests of verbs are skipped');
    return name;
  } catch (error) {
    console.warn(`ibverbs-node: tests of verbs are skipped: ${error}`);
    return undefined;
  }
}

export function openFirst(): Context {
  const [first] = devices();
  if (!first) throw new Error('no device');
  return Context.open(first.name);
}

/** A GID of port 1: an IPv4 address if it has one, because Soft-RoCE has no route to its own link-local address. */
export function usableGid(context: Context): Gid {
  const gids = context.gids(1);
  const gid = gids.find(({ text }) => text.startsWith('::ffff:')) ?? gids[0];
  if (!gid) throw new Error('no GID');
  return gid;
}

export interface Sge {
  readonly address: bigint;
  readonly bytes: number;
  readonly lkey: number;
}

/** The fields of a send request. */
export interface Send {
  readonly opcode: number;
  readonly flags?: number;
  readonly id?: bigint;
  readonly immediate?: number;
  readonly sges: readonly Sge[];
  readonly remoteAddress?: bigint;
  readonly rkey?: number;
  readonly compareAdd?: bigint;
  readonly swap?: bigint;
}

function setSges(view: DataView, at: number, sges: readonly Sge[]): void {
  sges.forEach(({ address, bytes, lkey }, i) => {
    view.setBigUint64((at + 4 * i) * 4, address, true);
    view.setUint32((at + 4 * i + 2) * 4, bytes, true);
    view.setUint32((at + 4 * i + 3) * 4, lkey, true);
  });
}

export function sendWords(requests: readonly Send[]): Uint32Array {
  const words = new Uint32Array(requests.length * REQUEST_WORDS);
  requests.forEach((request, i) => {
    const view = new DataView(words.buffer, i * REQUEST_WORDS * 4, REQUEST_WORDS * 4);
    view.setUint32(0, request.opcode, true);
    view.setUint32(4, request.flags ?? 0, true);
    view.setBigUint64(8, request.id ?? 0n, true);
    view.setUint32(16, request.immediate ?? 0, true);
    view.setUint32(20, request.sges.length, true);
    view.setBigUint64(24, request.remoteAddress ?? 0n, true);
    view.setUint32(32, request.rkey ?? 0, true);
    view.setBigUint64(40, request.compareAdd ?? 0n, true);
    view.setBigUint64(48, request.swap ?? 0n, true);
    setSges(view, 16, request.sges);
  });
  return words;
}

export function receiveWords(
  receives: readonly { readonly id: bigint; readonly sges: readonly Sge[] }[],
): Uint32Array {
  const words = new Uint32Array(receives.length * RECEIVE_WORDS);
  receives.forEach(({ id, sges }, i) => {
    const view = new DataView(words.buffer, i * RECEIVE_WORDS * 4, RECEIVE_WORDS * 4);
    view.setBigUint64(0, id, true);
    view.setUint32(8, sges.length, true);
    setSges(view, 4, sges);
  });
  return words;
}

/** The fields of a completion. */
export interface Completion {
  readonly id: bigint;
  readonly status: string;
  readonly opcode: number;
  readonly bytes: number;
  readonly immediate: number | undefined;
  readonly queuePair: number;
}

export function completionsOf(words: Uint32Array, count: number): Completion[] {
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const word = (n: number): number => view.getUint32((i * COMPLETION_WORDS + n) * 4, true);
    return {
      id: view.getBigUint64(i * COMPLETION_WORDS * 4, true),
      status: completionStatus(word(2)),
      opcode: word(3),
      bytes: word(4),
      immediate: word(7) & 1 ? word(5) : undefined,
      queuePair: word(6),
    };
  });
}

/** Resolves when `holds()` returns true. */
export async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + patienceMs; !holds(); await turn()) {
    if (Date.now() > end) throw new Error(`still not after ${patienceMs} ms: ${holds}`);
  }
}

/** Polls until it has taken `count` completions. */
export async function take(queue: CompletionQueue, count: number): Promise<Completion[]> {
  const taken: Completion[] = [];
  const words = new Uint32Array(count * COMPLETION_WORDS);
  await until(() => {
    const room = words.subarray(taken.length * COMPLETION_WORDS);
    taken.push(...completionsOf(room, queue.poll(room)));
    return taken.length === count;
  });
  return taken;
}

export type Patience = Partial<Pick<ReadyToSendOptions, 'timeout' | 'retries' | 'rnrRetries'>>;

/** The first packet number of every pair in these tests. */
export const packetNumber = 77;

/** Connects `pair` to queue pair `remote` at `gid`, on port 1. */
export function connect(
  pair: QueuePair,
  remote: number,
  gid: Gid,
  {
    remotePacketNumber = packetNumber,
    ...patience
  }: Patience & { readonly remotePacketNumber?: number } = {},
): void {
  pair.toInit({ port: 1, access: everyAccess });
  pair.toReadyToReceive({
    ...{
      mtu: 1024,
      remoteQueuePair: remote,
      remotePacketNumber,
      remoteGid: gid.raw,
      gidIndex: gid.index,
    },
    ...{ port: 1, maxReadsInFlight: 4, minRnrTimer: 1 },
  });
  pair.toReadyToSend({
    packetNumber,
    timeout: 14,
    retries: 7,
    rnrRetries: 7,
    maxReadsInFlight: 4,
    ...patience,
  });
}

/** Everything that two sides need, in one thread: `a` sends requests, `b` answers. */
export class Rig implements Disposable {
  readonly memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  readonly bytes: Uint8Array = new Uint8Array(this.memory.buffer);
  readonly words64: BigUint64Array = new BigUint64Array(this.memory.buffer);
  readonly context: Context = openFirst();
  readonly domain: ProtectionDomain = ProtectionDomain.allocate(this.context);
  readonly parent: ParentDomain = ParentDomain.allocate(this.domain);
  readonly region: MemoryRegion = MemoryRegion.register(this.domain, this.bytes, everyAccess);
  readonly sent: CompletionQueue;
  readonly received: CompletionQueue;
  readonly a: QueuePair;
  readonly b: QueuePair;

  /** @param choose returns more options for the pairs */
  constructor(choose: (rig: Rig) => Partial<QueuePairOptions> = () => ({}), patience: Patience = {}) {
    this.sent = new CompletionQueue(this.context, { depth: 64, parent: this.parent });
    this.received = new CompletionQueue(this.context, { depth: 64, parent: this.parent });
    const options = { maxSends: 16, maxReceives: 16, maxInlineBytes: 64, ...choose(this) };
    this.a = new QueuePair(this.parent, { sendQueue: this.sent, receiveQueue: this.sent, ...options });
    this.b = new QueuePair(this.parent, {
      ...{ sendQueue: this.received, receiveQueue: this.received },
      ...options,
    });
    const gid = usableGid(this.context);
    connect(this.a, this.b.number, gid, patience);
    connect(this.b, this.a.number, gid, patience);
  }

  /** An SGE for `bytes` bytes of the memory at `offset`. */
  sge(offset: number, bytes: number): Sge {
    return { address: this.address(offset), bytes, lkey: this.region.lkey };
  }

  /** The address of byte `offset` of the memory for the device. */
  address(offset: number): bigint {
    return this.region.address + BigInt(offset);
  }

  /** Posts to `a`. */
  send(...requests: Send[]): void {
    this.a.postSends(sendWords(requests), requests.length);
  }

  /** Posts a receive to `b`. */
  receive(id: bigint, ...sges: Sge[]): void {
    this.receiveAt(this.b, id, ...sges);
  }

  receiveAt(pair: QueuePair, id: bigint, ...sges: Sge[]): void {
    pair.postReceives(receiveWords([{ id, sges }]), 1);
  }

  /** All objects that can be closed, parents first. */
  parts(): Disposable[] {
    return [
      ...[this.context, this.domain, this.parent, this.region],
      ...[this.sent, this.received, this.a, this.b],
    ];
  }

  [Symbol.dispose](): void {
    for (const part of this.parts()) part[Symbol.dispose]();
  }
}
