import { collectDefaultMetrics, Registry } from 'prom-client';

/** Metrics of prom-client whose names end in `_total`, but which are no counters. Others have the same by type. */
const misnamed = [
  'nodejs_active_resources_total',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
];

/** Only one, because what it observes of the process is observed until the process ends. */
let registry: Registry | undefined;

/** Metrics of this process and of its main thread, in the text format of Prometheus. Collected since the first call. */
export async function processMetrics(): Promise<string> {
  registry ??= open();
  return await registry.metrics();
}

function open(): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register });
  for (const name of misnamed) register.removeSingleMetric(name);
  return register;
}
