// The release before this one, from git, with the same tables and plans: figures of both compare on any machine.
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Absent } from '../usage.ts';
import type { Peer, PeerFactory, Serving } from './contender.ts';
import type { Leftovers } from './leftovers.ts';
import { type Form, loadCode, startOurs } from './ours.ts';

/** The last commit of 0.4. */
const releaseBefore = 'b2be369';
const root: string = fileURLToPath(new URL('../..', import.meta.url));

const forms: readonly Form[] = [
  { nodes: 1, split: 'table', workers: 1, transports: ['stream'] },
  { nodes: 2, split: 'table', workers: 1, transports: ['stream'] },
  { nodes: 4, split: 'table', workers: 1, transports: ['stream'] },
  { nodes: 2, split: 'row', workers: 1, transports: ['stream'] },
];

export const releasePeer: PeerFactory = { name: 'release', optional: true, start };

let checkedOut: string | undefined;

async function start(serving: Serving): Promise<Peer> {
  checkedOut ??= checkOut(serving.leftovers);
  return await startOurs(serving, { prefix: '0.4: ', forms, code: await loadCode(checkedOut) });
}

/** Checks out the release, and builds its kernels. @throws Absent if this is not a clone with its history */
function checkOut(leftovers: Leftovers): string {
  const directory = leftovers.directory();
  const archive = join(directory, 'release.tar');
  try {
    execFileSync('git', ['archive', '--output', archive, releaseBefore], { cwd: root, stdio: 'pipe' });
  } catch {
    throw new Absent(
      `0.4 is not measured: git has no commit ${releaseBefore} here; clone with all of the history`,
    );
  }
  execFileSync('tar', ['-xf', archive, '-C', directory]);
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  execFileSync(process.execPath, ['assembly/build.ts'], { cwd: directory, stdio: 'pipe' });
  return directory;
}
