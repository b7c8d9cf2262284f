// Pools in as many Web Workers as there are processors, shows how much they do, and whether all of them give the bits that
// the server says come of it.
import { wrap } from 'comlink';
import type { Pooling } from './pooling.ts';

const spinMs = 1_000;

function show(id: string, text: string): void {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
}

async function run(): Promise<void> {
  const { digest } = (await (await fetch('expected.json')).json()) as { readonly digest: number };
  const workers = Array.from({ length: navigator.hardwareConcurrency }, () =>
    wrap<Pooling>(new Worker('pooling.js', { type: 'module' })),
  );
  show('workers', String(workers.length));
  const digests = await Promise.all(workers.map((worker) => worker.digest()));
  show('bits', digests.every((own) => own === digest) ? 'identical' : `different: ${digests.join(', ')}`);
  await Promise.all(workers.map((worker) => worker.spin(spinMs / 5)));
  const pooled = await Promise.all(workers.map((worker) => worker.spin(spinMs)));
  const perSecond = pooled.reduce((sum, rows) => sum + rows, 0) / (spinMs / 1000);
  show('rows', `${(perSecond / 1e6).toFixed(1)} million rows a second`);
}

run()
  .catch((error: unknown) => show('rows', String(error)))
  .finally(() => document.body.setAttribute('data-done', ''));
