// Open-loop load: requests start when they are due, whether earlier ones were answered or not. What a request takes is
// counted from when it was due, so that a service, or this process, that falls behind is not spared (no coordinated
// omission).
import type { Dispatcher } from 'undici';
import { randomWords } from '../data.ts';
import type { InferBody } from './infer-body.ts';

export interface Load {
  /** Requests per second. */
  readonly rate: number;
  /** Milliseconds before the measured ones, and of them. */
  readonly warmMs: number;
  readonly ms: number;
  /** A request that takes longer is late. */
  readonly sloMs: number;
  /** The share of requests that may be late, or fail. Once there are more, the rest is not sent. Undefined: all are. */
  readonly lateMax: number | undefined;
  readonly seed: number;
}

export interface LoadResult {
  /** All requests that were sent. */
  readonly sent: number;
  /** Requests that were due in the measured time, and those of them that were answered in time. */
  readonly due: number;
  readonly good: number;
  /** Requests that were refused, or failed in another way. */
  readonly failed: number;
  /** Those that were refused because there were too many (429), and how long that took: the 99th percentile in ms. */
  readonly refused: number;
  readonly refused99Ms: number;
  /** Whether the rest was not sent. */
  readonly ended: boolean;
  /** `failedMs` if that many failed. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How late requests were sent, in ms: the 99th percentile. */
  readonly lag99Ms: number;
}

/** What a request has taken that was not scored: more than any other. */
export const failedMs = 1e6;

/** Requests still in flight this long after the last one was due have failed. */
const drainMsMax = 2_000;

/** A request that is sent again and again. It is made once, because sending is to be cheap. */
export interface ReadyRequest {
  readonly path: string;
  readonly method: 'POST';
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

export function requestOf(path: string, { bytes, jsonBytes }: InferBody): ReadyRequest {
  const headers = {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(jsonBytes),
  };
  return { path, method: 'POST', headers, body: bytes };
}

/** @param requests that are sent in turn */
export async function sendLoad(
  dispatcher: Dispatcher,
  requests: readonly ReadyRequest[],
  load: Load,
): Promise<LoadResult> {
  const due = arrivals(load);
  const run = new LoadRun(due, load);
  const { promise, resolve } = Promise.withResolvers<void>();
  const began = performance.now();
  let next = 0;
  const send = (): void => {
    const now = performance.now() - began;
    if (run.isLost) next = due.length;
    for (; next < due.length && due[next] <= now; next++)
      dispatcher.dispatch(requests[next % requests.length], run.sent(next, now, began));
    const isOver = run.inFlight === 0 || now > (due.at(-1) ?? 0) + drainMsMax || run.isLost;
    if (next === due.length && isOver) resolve();
    // Timers of Node.js are not finer than 1 ms.
    else setTimeout(send, Math.max(1, (due[next] ?? 0) - now));
  };
  send();
  await promise;
  return run.result();
}

/** Times of a Poisson process, in ms, until both parts are over. */
function arrivals({ rate, warmMs, ms, seed }: Load): number[] {
  const next = randomWords(seed * 2 + 1);
  const times: number[] = [];
  const gap = (): number => (-Math.log((next() + 1) / 2 ** 32) * 1_000) / rate;
  for (let at = gap(); at < warmMs + ms; at += gap()) times.push(at);
  return times;
}

/** What became of the requests. */
class LoadRun {
  inFlight = 0;
  #sent = 0;
  readonly #due: readonly number[];
  readonly #load: Load;
  /** The first request that is measured, and the most of them that may be late. */
  readonly #first: number;
  readonly #lateMax: number;
  /** Of each measured request, in ms. */
  readonly #took: Float64Array;
  readonly #lag: Float64Array;
  #late = 0;
  #failed = 0;
  readonly #refusedMs: number[] = [];

  constructor(due: readonly number[], load: Load) {
    this.#due = due;
    this.#load = load;
    this.#first = due.findIndex((at) => at >= load.warmMs);
    const measured = due.length - this.#first;
    this.#lateMax = load.lateMax === undefined ? measured : load.lateMax * measured;
    this.#took = new Float64Array(measured).fill(failedMs);
    this.#lag = new Float64Array(measured);
  }

  /** Whether more are late than may be. */
  get isLost(): boolean {
    return this.#late > this.#lateMax;
  }

  /** A request is sent. */
  sent(at: number, nowMs: number, began: number): Dispatcher.DispatchHandler {
    this.inFlight++;
    this.#sent++;
    if (at >= this.#first) this.#lag[at - this.#first] = nowMs - this.#due[at];
    let status = 0;
    return {
      onRequestStart() {},
      onResponseStart(_, statusCode) {
        status = statusCode;
      },
      onResponseData() {},
      onResponseEnd: () => this.#ended(at, status, performance.now() - began),
      onResponseError: () => this.#ended(at, 0, 0),
    };
  }

  /** @param status 0 if there was no answer */
  #ended(at: number, status: number, nowMs: number): void {
    this.inFlight--;
    if (at < this.#first) return;
    const isScored = status === 200;
    if (status === 429) this.#refusedMs.push(nowMs - this.#due[at]);
    const took = isScored ? nowMs - this.#due[at] : failedMs;
    this.#took[at - this.#first] = took;
    if (took > this.#load.sloMs) this.#late++;
    if (!isScored) this.#failed++;
  }

  result(): LoadResult {
    const { sloMs } = this.#load;
    return {
      sent: this.#sent,
      due: this.#took.length,
      good: this.#took.filter((ms) => ms <= sloMs).length,
      failed: this.#failed,
      refused: this.#refusedMs.length,
      refused99Ms: percentile(Float64Array.from(this.#refusedMs), 0.99),
      ended: this.isLost,
      p50Ms: percentile(this.#took, 0.5),
      p99Ms: percentile(this.#took, 0.99),
      lag99Ms: percentile(this.#lag, 0.99),
    };
  }
}

function percentile(values: Float64Array, share: number): number {
  const sorted = values.toSorted();
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
