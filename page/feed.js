// @ts-check
// Asks the ranker for its metrics, once a second, and for its cluster.
import { Scrape } from './metrics.js';

/**
 * @typedef {{
 *   scraped(scrape: Scrape): void,
 *   failed(reason: string): void,
 *   refused(again: boolean): void,
 *   clustered(status: ClusterStatus | undefined): void,
 *   clusterFailed(reason: string): void,
 * }} Reader `refused`: the ranker wants a token, `again`: another than the one that it got; `clustered`: undefined if it has no cluster
 */
/** @import { ClusterStatus } from '../src/host/cluster-status.ts' */

const periodMs = 1_000;
/** Nodes are asked for it, and a ranker that has no cluster gets none while it runs. */
const clusterPeriodMs = 2_000;
const noClusterPeriodMs = 30_000;
const answerMsMax = 5_000;
const key = 'flexemr-token';

export class Feed {
  #reader;
  /** @type {AbortController | undefined} */
  #running;

  /** @param {Reader} reader */
  constructor(reader) {
    this.#reader = reader;
  }

  /** @param {boolean} wanted whether it asks */
  set running(wanted) {
    if (wanted === (this.#running !== undefined)) return;
    this.#running?.abort();
    this.#running = wanted ? new AbortController() : undefined;
    if (!this.#running) return;
    this.#run(this.#running.signal);
    this.#runCluster(this.#running.signal);
  }

  /** Is kept as long as this tab. @param {string} token */
  set token(token) {
    sessionStorage.setItem(key, token);
  }

  /** @param {AbortSignal} stopped */
  async #run(stopped) {
    while (!stopped.aborted) {
      const next = performance.now() + periodMs;
      await this.#ask(stopped);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    }
  }

  /** Nodes that do not answer delay it, and not the metrics. @param {AbortSignal} stopped */
  async #runCluster(stopped) {
    while (!stopped.aborted) {
      const ms = await this.#askCluster(stopped);
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  }

  /** @param {AbortSignal} stopped @returns {Promise<number>} after how many milliseconds to ask again */
  async #askCluster(stopped) {
    const answer = await answerOf('v1/cluster', sessionStorage.getItem(key), stopped);
    // The metrics say the rest: that the ranker wants a token, or that it cannot be reached.
    if (stopped.aborted || 'reason' in answer || answer.status === 401) return clusterPeriodMs;
    try {
      if (answer.status !== 200) throw new Error(messageOf(answer.text));
      const { cluster } = JSON.parse(answer.text);
      this.#reader.clustered(cluster);
      return cluster === undefined ? noClusterPeriodMs : clusterPeriodMs;
    } catch (error) {
      this.#reader.clusterFailed(/** @type {Error} */ (error).message);
      return clusterPeriodMs;
    }
  }

  /** @param {AbortSignal} stopped */
  async #ask(stopped) {
    const token = sessionStorage.getItem(key);
    const answer = await answerOf('metrics', token, stopped);
    if (stopped.aborted) return;
    try {
      if ('reason' in answer) this.#reader.failed(answer.reason);
      else if (answer.status === 401) this.#reader.refused(token !== null);
      else if (answer.status === 200) this.#reader.scraped(new Scrape(answer.text, answer.at));
      else this.#reader.failed(`the ranker answers ${answer.status}: ${messageOf(answer.text)}`);
    } catch (error) {
      this.#reader.failed(String(error));
    }
  }
}

/** @param {string} path @param {string | null} token @param {AbortSignal} stopped */
async function answerOf(path, token, stopped) {
  /** @type {Record<string, string>} */
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(answerMsMax)]);
  try {
    const response = await fetch(path, { headers, signal, cache: 'no-store' });
    const at = Date.now();
    return { status: response.status, at, text: await response.text() };
  } catch (error) {
    const late = error instanceof DOMException && error.name === 'TimeoutError';
    // What fetch throws otherwise says no more than this.
    return {
      reason: late
        ? `the ranker does not answer within ${answerMsMax / 1_000} s`
        : 'the ranker cannot be reached',
    };
  }
}

/** @param {string} text @returns {string} what an error in JSON says */
function messageOf(text) {
  try {
    return String(JSON.parse(text).error.message);
  } catch {
    return text.trim().slice(0, 200);
  }
}
