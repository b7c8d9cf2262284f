// Reads the metrics of a service, in the text format of Prometheus.
import { request } from 'undici';

/** Values by name and labels, as they are written: `name` or `name{label="value"}`. */
export type Readings = (series: string) => number;

export async function readMetrics(url: string): Promise<Readings> {
  const reply = await request(`${url}/metrics`);
  const lines = (await reply.body.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const values = new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
  return (series) => {
    const value = values.get(series);
    if (value === undefined) throw new Error(`${url}/metrics has no ${series}`);
    return value;
  };
}
