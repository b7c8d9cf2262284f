// Reads the text format of Prometheus, version 0.0.4, and refuses everything that the format does not allow:
// https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of one metric. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

/** Parses a whole text. @throws Error with the wrong line */
export function parseMetrics(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, { -readonly [K in keyof Family]: Family[K] } & { samples: Sample[] }>();
  let open: string | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, name, rest] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) ?(.*)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (families.has(name)) throw new Error(`again: ${line}`);
      families.set(name, { name, help: unescaped(rest, /\\[\\n]/g), type: '', samples: [] });
      open = name;
    } else if (word === 'TYPE') {
      const family = families.get(name);
      if (name !== open || family === undefined || family.type !== '' || family.samples.length > 0)
        throw new Error(`out of place: ${line}`);
      if (!/^(counter|gauge|histogram|summary|untyped)$/.test(rest)) throw new Error(`no type: ${line}`);
      family.type = rest;
    } else if (line !== '') {
      const sample = parseSample(line);
      const family = open === undefined ? undefined : families.get(open);
      if (family === undefined || !belongs(sample, family)) throw new Error(`out of place: ${line}`);
      family.samples.push(sample);
    }
  }
  for (const family of families.values()) checkFamily(family);
  return families;
}

/** The name of a sample and its labels, as a key. */
export function idOf({ name, labels }: Sample): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return [name, ...pairs].join(' ');
}

function parseSample(line: string): Sample {
  const [, name, , list = '', text] =
    /^([a-zA-Z_:][\w:]*)(\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  const pair = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;
  while (pair.lastIndex < list.length) {
    const [, label, value] = pair.exec(list) ?? [];
    if (label === undefined || label in labels) throw new Error(`wrong labels: ${line}`);
    labels[label] = unescaped(value, /\\[\\"n]/g);
  }
  return { name, labels, value: numberOf(text) };
}

function unescaped(text: string, escapes: RegExp): string {
  return text.replace(escapes, (found) => (found === '\\n' ? '\n' : found[1]));
}

/** A number as Go's ParseFloat reads it, which ignores case. */
function numberOf(text: string): number {
  if (/^[+-]?inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw new Error(`no number: ${text}`);
  return Number(text);
}

function belongs({ name }: Sample, family: Family): boolean {
  if (family.type === 'histogram')
    return ['bucket', 'sum', 'count'].some((part) => name === `${family.name}_${part}`);
  return name === family.name || (family.type === 'summary' && name.startsWith(`${family.name}_`));
}

function checkFamily({ name, help, type, samples }: Family): void {
  if (help === '' || type === '') throw new Error(`${name} has no help or no type`);
  if (new Set(samples.map(idOf)).size < samples.length) throw new Error(`${name} has a sample twice`);
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0)))
    throw new Error(`${name} is negative`);
  if (type === 'histogram') checkHistogram(name, samples);
}

/** The buckets of each set of labels increase, and end with all values. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const withoutBound = ({ labels: { le, ...labels } }: Sample): string => idOf({ name, labels, value: 0 });
  for (const group of Map.groupBy(samples, withoutBound).values()) {
    const of = (part: string): Sample[] => group.filter((sample) => sample.name === `${name}_${part}`);
    const buckets = of('bucket').map(({ labels, value }) => [numberOf(labels.le), value] as const);
    const ascend = buckets.every(
      ([le, value], i) => i === 0 || (le > buckets[i - 1][0] && value >= buckets[i - 1][1]),
    );
    const [le, value] = buckets.at(-1) ?? [];
    if (!ascend || le !== Infinity || of('sum').length !== 1 || value !== of('count')[0]?.value)
      throw new Error(`${name} is not a histogram`);
  }
}
