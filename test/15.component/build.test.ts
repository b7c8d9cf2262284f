// Builds of the component are reproducible and small.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { buildComponent } from '../../assembly/component/build.ts';

/** The most bytes of each file after gzip. */
const limits: Readonly<Record<string, number>> = {
  'flexemr.component.wasm': 18_000,
  'component/flexemr.core.wasm': 16_000,
  'component/flexemr.js': 30_000,
};

test('builds are identical, also to the one in wasm/', async () => {
  const digests = (files: ReadonlyMap<string, Uint8Array>): object =>
    Object.fromEntries(
      [...files].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]),
    );
  const once = await buildComponent();
  const again = digests(await buildComponent());
  expect(again).toEqual(digests(once));
  const here = [...once.keys()].map((name): [string, Uint8Array] => [
    name,
    readFileSync(join(import.meta.dirname, '../../wasm', name)),
  ]);
  expect(digests(new Map(here))).toEqual(again);
  for (const [name, most] of Object.entries(limits)) {
    const bytes = once.get(name) ?? new Uint8Array();
    const zipped = gzipSync(bytes).length;
    console.log(`${name}: ${bytes.length} bytes, ${zipped} gzipped, limit ${most}`);
    expect(zipped).toBeLessThan(most);
  }
});
