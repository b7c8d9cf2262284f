// The charts of deploy/prometheus/consoles/flexemr.html.
export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** Queries, by the name of the line. */
  readonly lines: Readonly<Record<string, string>>;
}

export function chartsOf(html: string): Chart[] {
  const [, json = '[]'] = /<script type="application\/json" id="charts">(.*?)<\/script>/s.exec(html) ?? [];
  return JSON.parse(json);
}
