// Records what the small node answers to each case, in frames/vN of the version that is written now:
//   node test/40.wire/record.ts
// A recording that is there already stays as it is: nodes have to give those replies for as long as they serve vN.
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
