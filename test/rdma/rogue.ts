// A ranker that breaks the rules. It connects to a node like others, but writes to and reads from any address.
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import * as verbs from 'ibverbs-node';
import { closeDevice, type OpenDevice, openDevice } from '../../src/transport/rdma/device.ts';
import {
  type ConnectAnswer,
  linesType,
  type ReadableRows,
  readAnswer,
  readRows,
  toJson,
} from '../../src/transport/rdma/handshake.ts';
import { connectQueuePair } from '../../src/transport/rdma/queue-pair.ts';

/** The slots that it requests at the node, and has here for replies. */
export interface Asked {
  readonly slots: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** Whether the node tells it which rows it may read. */
  readonly takesLists?: boolean;
}

export const little: Asked = { slots: 4, requestBytes: 256, replyBytes: 1024 };
/** Kinds of completions. */
const receiveKind = 0;
const sendKind = 1;

export class Rogue implements Disposable {
  readonly answer: ConnectAnswer;
  /** Resolves when the node has ended the connection. */
  readonly ended: Promise<void>;
  /** The memory for frames that are sent and rows that are read, followed by the slots for replies. */
  readonly memory: Uint8Array;
  /** Lists of the rows that may be read. */
  readonly told: ReadableRows[] = [];
  readonly #asked: Asked;
  readonly #completed: Uint32Array[] = [];
  readonly #device: OpenDevice;
  readonly #queue: verbs.CompletionQueue;
  readonly #queuePair: verbs.QueuePair;
  readonly #region: verbs.MemoryRegion;
  readonly #control: ClientRequest;

  static async connect(url: string, asked: Asked = little): Promise<Rogue> {
    const { slots, requestBytes, replyBytes, takesLists = false } = asked;
    const device = openDevice(verbs, {});
    const queue = new verbs.CompletionQueue(device.context, { depth: 64 });
    const queues = { sendQueue: queue, receiveQueue: queue };
    const queuePair = new verbs.QueuePair(device.domain, { ...queues, maxSends: 16, maxReceives: 16 });
    const memory = new Uint8Array(new SharedArrayBuffer(requestBytes + slots * replyBytes));
    const { localWrite, remoteWrite } = verbs.access;
    const region = verbs.MemoryRegion.register(device.domain, memory, localWrite | remoteWrite);
    const own = {
      ...{
        version: 1 as const,
        queuePair: queuePair.number,
        packetNumber: 7,
        gid: device.gid.raw,
        mtu: device.mtu,
      },
      ...{ readsInFlight: 1, requestBytes },
      replies: {
        ...{ address: Number(region.address) + requestBytes, rkey: region.rkey },
        ...{ count: slots, bytes: replyBytes },
      },
    };
    const control = request(new URL('/v1/rdma/connect', url), {
      ...{ method: 'POST', agent: false },
      headers: takesLists ? { accept: linesType } : {},
    });
    control.end(toJson(own));
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      control.on('response', resolve);
      control.on('error', reject);
    });
    const [line] = await new Promise<string[]>((resolve) =>
      response.setEncoding('utf8').once('data', (text: string) => resolve(text.split('\n'))),
    );
    const answer = readAnswer(JSON.parse(line));
    connectQueuePair(queuePair, device, answer, { packetNumber: 7, access: localWrite | remoteWrite });
    return new Rogue(asked, answer, control, response, { device, queue, queuePair, region, memory });
  }

  private constructor(
    asked: Asked,
    answer: ConnectAnswer,
    control: ClientRequest,
    response: IncomingMessage,
    own: {
      readonly device: OpenDevice;
      readonly queue: verbs.CompletionQueue;
      readonly queuePair: verbs.QueuePair;
      readonly region: verbs.MemoryRegion;
      readonly memory: Uint8Array;
    },
  ) {
    this.#asked = asked;
    this.answer = answer;
    this.memory = own.memory;
    this.#device = own.device;
    this.#queue = own.queue;
    this.#queuePair = own.queuePair;
    this.#region = own.region;
    this.#control = control;
    this.ended = new Promise((resolve) => response.on('close', resolve));
    response.on('data', (text: string) => {
      for (const line of text.split('\n').filter(Boolean)) this.told.push(readRows(JSON.parse(line)));
    });
  }

  /** Sends one WRITE or READ; an `immediate` notifies the node. @returns the status */
  async transfer(
    opcode: 'write' | 'writeImmediate' | 'read',
    remote: number,
    rkey: number,
    length: number,
    immediate = 0,
  ): Promise<string> {
    const local = Number(this.#region.address);
    const words = new Uint32Array(verbs.REQUEST_WORDS);
    words.set([verbs.sendOpcode[opcode], verbs.sendFlags.signaled, sendKind, 0, immediate, 1]);
    words.set([remote, remote / 2 ** 32, rkey], 6);
    words.set([local, local / 2 ** 32, length, this.#region.lkey], 16);
    this.#queuePair.postSends(words, 1);
    return verbs.completionStatus((await this.#completion(sendKind))[2]);
  }

  /** Writes `frame` to a slot of the node, and notifies the node. @returns the reply */
  async ask(slot: number, frame: Uint8Array): Promise<Uint8Array> {
    const { requests } = this.answer;
    const { requestBytes, replyBytes } = this.#asked;
    this.memory.set(frame);
    this.#queuePair.postReceives(new Uint32Array(verbs.RECEIVE_WORDS), 1);
    const at = requests.address + slot * requests.bytes;
    const status = await this.transfer('writeImmediate', at, requests.rkey, frame.length, slot);
    if (status !== 'SUCCESS') throw new Error(`the frame was not delivered: ${status}`);
    const completion = await this.#completion(receiveKind);
    const [length, where] = [completion[4], requestBytes + completion[5] * replyBytes];
    return this.memory.slice(where, where + length);
  }

  /** Waits for the next completion of a kind. */
  async #completion(kind: number): Promise<Uint32Array> {
    for (;;) {
      const at = this.#completed.findIndex(([id]) => id === kind);
      if (at >= 0) return this.#completed.splice(at, 1)[0];
      const completion = new Uint32Array(verbs.COMPLETION_WORDS);
      if (this.#queue.poll(completion) > 0) this.#completed.push(completion);
      else await new Promise((turn) => setImmediate(turn));
    }
  }

  /** Disconnects without ending the session. */
  vanish(): void {
    this.#control.destroy();
  }

  [Symbol.dispose](): void {
    this.#control.destroy();
    this.#queuePair.close();
    this.#region.close();
    this.#queue.close();
    closeDevice(this.#device);
  }
}
