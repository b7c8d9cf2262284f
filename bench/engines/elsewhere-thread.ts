// An engine whose memory nodes are elsewhere: replies come after a time, and take nobody's processor.
import { exposeEngine } from '../../src/host/expose-engine.ts';
import type { Hosting } from '../../src/memory-node/hosting.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { BufferPool, type PooledBytes } from '../../src/store/buffer-pool.ts';
import { FrameIds } from '../../src/transport/frame-ids.ts';
import type { Exchange, Outgoing, Received, Session, Transport } from '../../src/transport/transport.ts';
import { FRAME_ID, HEADER_BYTES } from '../../src/wire/layout.ts';

export interface Elsewhere {
  /** Less than 1: the thread looks for replies all the time. Otherwise it sleeps until they come, as it does on a network. */
  readonly delayMs: number;
  /** Work that is emulated: what the thread takes for each KiB of its connections, in milliseconds. */
  readonly emulatedMsPerKiB?: number;
  readonly nodes: readonly { readonly id: string; readonly url: string; readonly hosting: Hosting }[];
}

interface Coming {
  readonly at: number;
  /** Bytes of the subrequest and of its reply. */
  readonly bytes: number;
  readonly id: number;
  readonly reply: Uint8Array;
  readonly resolve: (reply: Received) => void;
}

/** Stands still for as long as work would take. The thread does nothing else then, and takes no processor. */
class EmulatedWork {
  readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #owedMs = 0;

  /** Shorter waits would be inaccurate, so they are added up. What a wait is too long is taken off the next one. */
  do(ms: number): void {
    this.#owedMs += ms;
    if (this.#owedMs < 1) return;
    const since = performance.now();
    Atomics.wait(this.#clock, 0, 0, this.#owedMs);
    this.#owedMs -= performance.now() - since;
  }
}

/** Answers each subrequest once by a memory node in this thread, and then from memory. */
class ElsewhereTransport implements Transport {
  readonly name = 'elsewhere';
  readonly #delayMs: number;
  readonly #msPerByte: number;
  readonly #emulated = new EmulatedWork();
  readonly #nodes: ReadonlyMap<string, MemoryNode>;
  readonly #known = new Map<number, Uint8Array>();
  readonly #ids = new FrameIds();
  readonly #pool = new BufferPool();
  readonly #frame = new Uint32Array(2 ** 20);
  readonly #coming: Coming[] = [];
  #next = 0;
  #running = false;

  constructor({ delayMs, emulatedMsPerKiB = 0, nodes }: Elsewhere) {
    this.#delayMs = delayMs;
    this.#msPerByte = emulatedMsPerKiB / 1024;
    this.#nodes = new Map(
      nodes.map(({ id, url, hosting }) => {
        const node = new MemoryNode(id, []);
        node.host(hosting);
        return [url, node];
      }),
    );
  }

  session(url: string): Session {
    return { send: (outgoing) => this.#send(url, outgoing), close: async () => {} };
  }

  #send(url: string, outgoing: Outgoing): Exchange {
    const id = this.#ids.next(outgoing);
    outgoing.write(this.#frame, 0, id, false);
    const frame = this.#frame.subarray(0, outgoing.bytes >>> 2);
    const hash = hashOf(frame);
    const known = this.#known.get(hash) ?? this.#answer(url, frame, hash);
    const reply = new Promise<Received>((resolve) => {
      const at = performance.now() + this.#delayMs;
      this.#coming.push({ at, bytes: frame.byteLength + known.length, id, reply: known, resolve });
    });
    if (!this.#running) this.#runAt(this.#coming[this.#next].at);
    this.#running = true;
    return { reply, cancel: async () => {} };
  }

  #answer(url: string, frame: Uint32Array, hash: number): Uint8Array {
    const inbox = this.#nodes.get(url)?.admit(frame.byteLength);
    if (inbox === undefined || 'code' in inbox) throw new Error(`${url} takes no subrequest`);
    inbox.frame.set(new Uint8Array(frame.buffer, 0, frame.byteLength));
    let answer: Uint8Array | undefined;
    inbox.answer((reply) => {
      answer = Uint8Array.from(reply);
    });
    inbox.release();
    if (answer === undefined) throw new Error('the answer takes several slices: ask for fewer rows');
    this.#known.set(hash, answer);
    return answer;
  }

  readonly #turn = (): void => {
    const now = performance.now();
    for (; this.#next < this.#coming.length && this.#coming[this.#next].at <= now; this.#next++) {
      const { bytes, id, reply, resolve } = this.#coming[this.#next];
      if (this.#msPerByte > 0) this.#emulated.do(bytes * this.#msPerByte);
      const copy: PooledBytes = this.#pool.take(reply.length);
      copy.bytes.set(reply);
      new Uint32Array(copy.bytes.buffer, 0, HEADER_BYTES >>> 2)[FRAME_ID >>> 2] = id;
      resolve(copy);
    }
    if (this.#next > 4_096) this.#coming.splice(0, this.#next);
    if (this.#next > 4_096) this.#next = 0;
    this.#running = this.#next < this.#coming.length;
    if (this.#running) this.#runAt(this.#coming[this.#next].at);
  };

  #runAt(at: number): void {
    if (this.#delayMs < 1) setImmediate(this.#turn);
    else setTimeout(this.#turn, Math.max(1, Math.ceil(at - performance.now())));
  }

  async describe(url: string): ReturnType<Transport['describe']> {
    return (this.#nodes.get(url) as MemoryNode).describe();
  }

  traffic(): ReturnType<Transport['traffic']> {
    return { bytesOut: 0, bytesIn: 0 };
  }

  async close(): Promise<void> {}
}

/** Of everything after the header. */
function hashOf(frame: Uint32Array): number {
  let hash = frame.length;
  for (let i = HEADER_BYTES >>> 2; i < frame.length; i++) hash = Math.imul(hash ^ frame[i], 0x9e3779b1);
  return hash;
}

exposeEngine<Elsewhere>(async (elsewhere) => new ElsewhereTransport(elsewhere));
