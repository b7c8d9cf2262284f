// A load of a memory node whose effect on every counter is known.
import fc from 'fast-check';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { FRAME_MAGIC } from '../../src/wire/layout.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { frameOf, segmentOf } from './lookups.ts';
import { RawPeer } from './raw-peer.ts';

/** One request to a worker. */
export interface Step {
  readonly worker: number;
  readonly kind: 'frame' | 'post' | 'badKey' | 'stale' | 'noFrame' | 'json' | 'badJson';
  /** Keys of each segment. The first segment is pooled, the second is fetched, and so on. */
  readonly keys: readonly number[];
}

export function steps(workers: number): fc.Arbitrary<Step[]> {
  const step = fc.record<Step>({
    worker: fc.nat({ max: workers - 1 }),
    kind: fc.constantFrom('frame', 'post', 'badKey', 'stale', 'noFrame', 'json', 'badJson'),
    keys: fc.array(fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 5_000 })), { minLength: 1, maxLength: 4 }),
  });
  return fc.array(step, { maxLength: 20 });
}

/** What all counters should be, by the names and labels of their samples. */
export class Expected {
  readonly #values = new Map<string, number>();
  /** Keys of each subrequest whose answer has begun. */
  readonly sizes: number[] = [];

  add(name: string, value = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + value);
  }

  of(id: string): number {
    return this.#values.get(id) ?? 0;
  }

  get names(): string[] {
    return [...this.#values.keys()];
  }

  /** The answer to a subrequest of these segments has begun at a worker. */
  begun(worker: number, pooled: readonly number[], fetched: readonly number[]): void {
    const keys = sum(pooled) + sum(fetched);
    this.sizes.push(keys);
    this.add(`flexemr_node_subrequests_total worker=${worker}`);
    this.add('flexemr_node_keys_total', keys);
    this.add('flexemr_node_segments_total answer=pooled', pooled.length);
    this.add('flexemr_node_segments_total answer=fetched', fetched.length);
    this.add('flexemr_node_fetched_rows_total', sum(fetched));
    this.add('flexemr_node_subrequest_seconds_count');
  }

  moved(received: number, sent: number): void {
    this.add('flexemr_node_received_bytes_total', received);
    this.add('flexemr_node_sent_bytes_total', sent);
  }

  failed(code: string): void {
    this.add(`flexemr_node_errors_total code=${code}`);
  }
}

/** Sends steps to a node, and notes what they should count. */
export class Load {
  readonly #ports: readonly number[];
  readonly #routing: RoutingTable;
  readonly #expected: Expected;

  constructor(ports: readonly number[], routing: RoutingTable, expected: Expected) {
    this.#ports = ports;
    this.#routing = routing;
    this.#expected = expected;
  }

  async run(step: Step): Promise<void> {
    if (step.kind === 'json' || step.kind === 'badJson') await this.#json(step);
    else await this.#frame(step);
  }

  async #frame({ worker, kind, keys }: Step): Promise<void> {
    const frame = this.#frameOf(kind, keys);
    const reply = kind === 'post' ? await this.#post(worker, frame) : await this.#stream(worker, frame);
    this.#expected.moved(frame.length, reply.length);
    if (kind === 'noFrame') this.#expected.failed('INVALID_FRAME');
    else if (kind === 'stale') {
      this.#expected.failed('STALE_ROUTING');
      this.#expected.add('flexemr_node_subrequest_seconds_count');
    } else {
      const [pooled, fetched] = [0, 1].map((rest) => keys.filter((_, i) => i % 2 === rest));
      if (kind === 'badKey') this.#expected.failed('INVALID_KEY');
      this.#expected.begun(worker, kind === 'badKey' ? [...pooled, 1] : pooled, fetched);
    }
  }

  #frameOf(kind: Step['kind'], keys: readonly number[]): Uint8Array<ArrayBuffer> {
    const routing = this.#routing;
    const segments = keys.map((count, i) =>
      segmentOf(routing, 'int8', rowsOf(count), { fetch: i % 2 === 1 }),
    );
    if (kind === 'badKey') segments.push(segmentOf(routing, 'int8', [40]));
    if (kind === 'stale') return frameOf(routing, segments, { plan: 1n });
    if (kind !== 'noFrame') return frameOf(routing, segments);
    const header = frameOf(routing, []);
    header[FRAME_MAGIC]++;
    return header;
  }

  async #stream(worker: number, frame: Uint8Array): Promise<Uint8Array> {
    const peer = await RawPeer.stream(this.#ports[worker]);
    const reply = await peer.ask(frame);
    peer.close();
    return reply;
  }

  async #post(worker: number, body: BodyInit, type = frameType): Promise<Uint8Array> {
    const headers = { 'content-type': type };
    const url = `http://127.0.0.1:${this.#ports[worker]}/v1/lookup`;
    return await (await fetch(url, { method: 'POST', headers, body })).bytes();
  }

  /** A lookup in JSON is answered by a subrequest that the worker sends to itself, unless it finds an error before. */
  async #json({ worker, kind, keys: [count] }: Step): Promise<void> {
    const keys = [...rowsOf(count), kind === 'json' ? 0 : 40];
    const body = JSON.stringify({ bags: { int8: { keys, lengths: [keys.length] } } });
    const answer = await this.#post(worker, body, 'application/json');
    this.#expected.add('flexemr_node_json_lookups_total');
    this.#expected.moved(body.length, kind === 'json' ? answer.length : 0);
    if (kind === 'json') this.#expected.begun(worker, [keys.length], []);
    else this.#expected.add('flexemr_node_json_errors_total code=INVALID_KEY');
  }
}

function rowsOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7) % 40);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
