// Fields that Kubernetes does not know. Its schemas allow any, so the objects are checked against their types by TypeScript.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../rdma/vitest-run.ts';
import type { Yaml } from './tools.ts';

const tsc = join(root, 'node_modules/typescript/bin/tsc');

/** What the type of each object has against it: one text for each object, empty if nothing. */
export function typeProblems(objects: readonly Yaml[]): string[] {
  // Types are found from here.
  const folder = mkdtempSync(join(import.meta.dirname, 'node_modules/.objects-'));
  try {
    const file = join(folder, 'objects.ts');
    const lines = objects.map((object, i) => {
      const type = `import('kubernetes-models/${object.apiVersion}').I${object.kind}`;
      return `export const object${i}: ${type} = ${JSON.stringify(object)};`;
    });
    writeFileSync(file, `${lines.join('\n')}\n`);
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--ignoreConfig',
    ];
    const { stdout } = spawnSync(process.execPath, [tsc, ...options, file], {
      encoding: 'utf8',
      cwd: folder,
    });
    const found = [...stdout.matchAll(/objects\.ts\((\d+),\d+\): error (.*)/g)];
    if (stdout !== '' && found.length === 0) throw new Error(stdout);
    return objects.map((_, i) =>
      found
        .filter(([, line]) => Number(line) === i + 1)
        .map(([, , text]) => text)
        .join('; '),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
