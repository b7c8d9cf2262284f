// Reads metrics, and compares each time with the last one: no counter ever decreases.
import { expect } from 'vitest';
import { type Family, idOf, parseMetrics } from '../metrics-text.ts';

export type Scrape = ReadonlyMap<string, Family>;

/** The value of every sample, by its name and labels. */
export type Samples = Readonly<Record<string, number>>;

/** The metrics of one server. */
export class Metrics {
  readonly #url: string;
  readonly #ask: (url: string) => Promise<string>;
  #last: Samples = {};

  /** @param ask default: fetches them */
  constructor(url: string, ask: (url: string) => Promise<string> = fetched) {
    this.#url = `${url}/metrics`;
    this.#ask = ask;
  }

  /** All metrics as text. */
  async text(): Promise<string> {
    return await this.#ask(this.#url);
  }

  async families(): Promise<Scrape> {
    const scrape = parseMetrics(await this.text());
    const counted = samplesOf(scrape, (family) => family.type !== 'gauge');
    for (const [id, before] of Object.entries(this.#last))
      if (!(counted[id] >= before)) expect.fail(`${id} was ${before}, and is ${counted[id]}`);
    this.#last = counted;
    return scrape;
  }

  async samples(): Promise<Samples> {
    return samplesOf(await this.families(), ({ name }) => name.startsWith('flexemr_'));
  }
}

function samplesOf(scrape: Scrape, which: (family: Family) => boolean): Samples {
  const families = [...scrape.values()].filter(which);
  return Object.fromEntries(
    families.flatMap(({ samples }) => samples.map((each) => [idOf(each), each.value])),
  );
}

async function fetched(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

/** What has been added to samples. */
export function added(before: Samples, after: Samples): Samples {
  const all = Object.entries(after).map(([id, value]) => [id, value - (before[id] ?? 0)] as const);
  return Object.fromEntries(all.filter(([, value]) => value !== 0));
}
