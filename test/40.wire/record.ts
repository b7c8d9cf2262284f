// Records the replies of the small node to all cases, in the folder frames/vN of the current version:
//   node test/40.wire/record.ts
// Existing recordings are kept, because nodes must give the same replies as long as they serve vN.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { wireVersion } from '../../src/wire/layout.ts';
import { recordedCases } from './recorded-cases.ts';
import { ask, smallNode } from './small-node.ts';

const folder = join(import.meta.dirname, 'frames', `v${wireVersion}`);
await mkdir(folder, { recursive: true });
const node = await smallNode();
for (const [name, words] of recordedCases(wireVersion)) {
  const frame = new Uint8Array(words.buffer);
  try {
    await writeFile(join(folder, `${name}.subrequest.bin`), frame, { flag: 'wx' });
    await writeFile(join(folder, `${name}.reply.bin`), await ask(node, frame), { flag: 'wx' });
    console.log(`recorded ${name}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    console.log(`kept ${name}`);
  }
}
