// The image of deploy/Dockerfile, built without Docker: its stage `app` is made in a folder by the instructions of the file. What is
// different: the stage `package` is this checkout, packed as it is, and the base is the system of this machine with our Node.js.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../rdma/vitest-run.ts';
import { deploy } from './tools.ts';

export interface Instruction {
  readonly name: string;
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

export const dockerfile: string = readFileSync(join(deploy, 'Dockerfile'), 'utf8');

/** The stages of a Dockerfile that has one instruction on each line. */
export function stagesOf(text: string): Stage[] {
  const stages: { name: string; instructions: Instruction[] }[] = [];
  for (const line of text.split('\n').filter((each) => /^[A-Z]/.test(each))) {
    const [, name, rest] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') stages.push({ name: / AS (\S+)$/.exec(rest)?.[1] ?? 'last', instructions: [] });
    else stages.at(-1)?.instructions.push({ name, rest });
  }
  return stages;
}

/** What the last stage says: `ENTRYPOINT`, `HEALTHCHECK`, `USER` … */
export function said(name: string): string {
  return (
    stagesOf(dockerfile)
      .at(-1)
      ?.instructions.find((each) => each.name === name)?.rest ?? ''
  );
}

/** @param to becomes the root in which the stage `app` has its files */
export function buildImage(to: string): void {
  const packed = join(to, 'package');
  mkdirSync(packed);
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', packed], { cwd: root });
  let work = to;
  const inside = (path: string): string => (path.startsWith('/') ? join(to, path) : join(work, path));
  for (const { name, rest } of stagesOf(dockerfile).find((stage) => stage.name === 'app')?.instructions ??
    []) {
    if (name === 'WORKDIR') {
      work = join(to, rest);
      mkdirSync(work);
    } else if (name === 'COPY') copy(rest.split(' '), packed, inside);
    // Paths of the image are below its root.
    else if (name === 'RUN') {
      const command = rest.replace(/(?<=\s)\/(?=\w)/g, `${to}/`);
      execFileSync('sh', ['-euc', command], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] });
    } else throw new Error(`${name} is not known here`);
  }
}

function copy(words: readonly string[], packed: string, inside: (path: string) => string): void {
  const fromPackage = words[0] === '--from=package';
  const [to, ...sources] = [...words.slice(fromPackage ? 1 : 0)].reverse();
  for (const source of sources) {
    const target = inside(to);
    if (fromPackage) copyFileSync(join(packed, readdirSync(packed)[0]), target);
    else cpSync(join(root, source), to.endsWith('/') ? join(target, basename(source)) : target);
  }
}
