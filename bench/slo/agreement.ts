// Checks that all services give the same scores before they are timed.
import { request } from 'undici';
import { type InferBody, outputsOf } from './infer-body.ts';
import { requestOf } from './load.ts';
import { inferPath, type Service } from './services.ts';

/** Sums in another order may differ by this factor of the larger of the value and 1. */
const toleranceOfOne = 1e-4;

/** Scores of one request, f32 by output. @throws Error if the service refuses it */
export async function scoresOf(
  { name, url }: Pick<Service, 'name' | 'url'>,
  body: InferBody,
): Promise<Map<string, Float32Array>> {
  const reply = await request(url, requestOf(inferPath, body));
  const bytes = new Uint8Array(await reply.body.arrayBuffer());
  if (reply.statusCode !== 200)
    throw new Error(`${name} answers with HTTP ${reply.statusCode}: ${Buffer.from(bytes).toString()}`);
  return outputsOf(bytes, Number(reply.headers['inference-header-content-length']));
}

/** @throws Error if two services give different scores for the same request */
export async function checkScores(services: readonly Service[], bodies: readonly InferBody[]): Promise<void> {
  for (const body of bodies) {
    const [expected, ...others] = await Promise.all(services.map((service) => scoresOf(service, body)));
    for (const [i, got] of others.entries())
      for (const [output, values] of expected) {
        const at = values.findIndex((value, j) => !isClose(value, got.get(output)?.[j]));
        if (at < 0) continue;
        const where = `value ${at} of ${output} is ${values[at]} by ${services[0].name}`;
        throw new Error(`services disagree: ${where}, ${got.get(output)?.[at]} by ${services[i + 1].name}`);
      }
  }
}

function isClose(a: number, b: number | undefined): boolean {
  return b !== undefined && Math.abs(a - b) <= toleranceOfOne * Math.max(1, Math.abs(a), Math.abs(b));
}
