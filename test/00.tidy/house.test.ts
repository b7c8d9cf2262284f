// Checks the rules for the structure of src/ that can be checked by a program.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const src = join(root, 'src');

/** The folders of src/ from lowest to highest. A file may import only from its own folder and from lower ones. */
const rooms = [
  'ground',
  'kernel',
  'modules',
  'plan',
  'store',
  'updates',
  'wire',
  'lookup',
  'memory-node',
  'local',
  'transport',
  'ranker',
  'engine',
  'model',
  'scorer',
  'component',
  'telemetry',
  'service',
  'nats',
  'host',
  'simulation',
  'cli',
  'entry',
] as const;
/** Memory nodes and transports share only the wire format, and must not import each other. */
const strangers = ['memory-node', 'transport'] as const;
const ground = [
  'check.ts',
  'cluster-limits.ts',
  'credit-limits.ts',
  'engine-limits.ts',
  'errors.ts',
  'failure.ts',
  'json-text.ts',
  'libraries.ts',
  'limits.ts',
  'log.ts',
  'proxy.ts',
  'replica-limits.ts',
  'scoring-limits.ts',
  'simulation-limits.ts',
  'table-limits.ts',
  'update-limits.ts',
];
const conditions = ['workerd', 'edge-light', 'file', 'fetched'].flatMap((runtime) => [
  `modules/kernels/${runtime}.ts`,
  `modules/ranker/${runtime}.ts`,
  `modules/component/${runtime}.ts`,
]);
const publicEntries = ['component.ts', 'edge.ts', 'index.ts', 'kernels.ts'];
const entries = [
  ...publicEntries,
  ...conditions,
  'cli/main.ts',
  'store/pool-thread.ts',
  'host/dense-thread.ts',
  'host/engine-thread.ts',
  'host/memory-node-worker.ts',
  'host/update-worker.ts',
  'simulation/calibration-node.ts',
];

/** Only these folders and files may use Node.js. All other files run in every JavaScript runtime. */
const runtimeRooms = ['telemetry', 'service', 'nats', 'host', 'cli'];
const runtimeFiles = [
  'kernel/files.ts',
  'simulation/calibrate.ts',
  'simulation/calibration-node.ts',
  'simulation/descriptions.ts',
  'simulation/history.ts',
  'simulation/network.ts',
  'simulation/socket.ts',
  'simulation/spent.ts',
  'store/content.ts',
  'store/disk-files.ts',
  'store/safetensors-index.ts',
  'store/safetensors-writer.ts',
  'store/read-now.ts',
  'store/pool-thread.ts',
  'store/task-thread.ts',
  'store/thread-pool.ts',
  'store/whole-file.ts',
  'transport/connections.ts',
  'transport/credit-connection.ts',
  'transport/credit-reader.ts',
  'transport/cross-origin.ts',
  'transport/dial.ts',
  'transport/response-timeouts.ts',
  'transport/lingering-close.ts',
  'transport/host-check.ts',
  'transport/http-answer.ts',
  'transport/http-lookup.ts',
  'transport/http-port.ts',
  'transport/http.ts',
  'transport/json-bodies.ts',
  'transport/listener.ts',
  'transport/rdma/accept.ts',
  'transport/rdma/connect.ts',
  'transport/reply-writer.ts',
  'transport/security.ts',
  'transport/served-stream.ts',
  'transport/stream-connection.ts',
  'transport/stream-server.ts',
];
const linesMax = 300;

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.d.ts'),
);

function roomOf(file: string): (typeof rooms)[number] {
  if (ground.includes(file)) return 'ground';
  return rooms.find((room) => file.startsWith(`${room}/`)) ?? 'entry';
}

/** The imports of a file: paths in src, and names of packages. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?'([^']+)'/g)].map(([, specifier]) => specifier);
  return specifiers.map((specifier) =>
    specifier.startsWith('.') ? relative(src, join(src, dirname(file), specifier)) : specifier,
  );
}

test('every file is in a known folder, and imports only from lower folders', () => {
  const upward = files.flatMap((file) =>
    importsOf(file)
      .filter(
        (target) => files.includes(target) && rooms.indexOf(roomOf(target)) > rooms.indexOf(roomOf(file)),
      )
      .map((target) => `${file} → ${target}`),
  );
  expect(upward).toEqual([]);
  expect(files.filter((file) => roomOf(file) === 'entry').sort()).toEqual(publicEntries);
});

test('memory nodes and transports do not import each other', () => {
  const across = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => files.includes(target) && target !== file)
      .filter((target) => roomOf(target) !== roomOf(file))
      .filter((target) => [file, target].every((end) => strangers.some((room) => room === roomOf(end))))
      .map((target) => `${file} → ${target}`),
  );
  expect(across).toEqual([]);
});

test('a ranker imports only the interface of transports', () => {
  const known = new Set(
    files
      .filter((file) => roomOf(file) === 'ranker')
      .flatMap(importsOf)
      .filter((target) => target.startsWith('transport/')),
  );
  expect([...known]).toEqual(['transport/transport.ts']);
});

test('one file knows OpenTelemetry', () => {
  const knowing = files.filter((file) =>
    importsOf(file).some((target) => target.startsWith('@opentelemetry')),
  );
  expect(knowing).toEqual(['telemetry/open-telemetry.ts']);
});

test('one file knows the packages of NATS', () => {
  const knowing = files.filter((file) => importsOf(file).some((target) => target.startsWith('@nats-io')));
  expect(knowing).toEqual(['nats/library.ts']);
});

test('no imports are circular', () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    else if (!done.has(file)) {
      for (const target of importsOf(file)) if (files.includes(target)) visit(target, [...path, file]);
      done.add(file);
    }
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test('only the listed files import node: modules', () => {
  const naming = files
    .filter((file) => !runtimeRooms.includes(roomOf(file)))
    .filter((file) => importsOf(file).some((target) => target.startsWith('node:')));
  expect(naming.sort()).toEqual([...runtimeFiles].sort());
});

test('every file is used', () => {
  const alive = new Set<string>();
  const visit = (file: string): void => {
    if (alive.has(file) || !files.includes(file)) return;
    alive.add(file);
    for (const target of importsOf(file)) visit(target);
  };
  entries.forEach(visit);
  expect(files.filter((file) => !alive.has(file))).toEqual([]);
});

test(`no file has more than ${linesMax} lines`, () => {
  const sources = ['src', 'assembly', 'bench', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|cc|h)$/.test(file) && !/build\/|node_modules\//.test(file))
      .map((file) => join(root, folder, file)),
  );
  const lines = (file: string): number => readFileSync(file, 'utf8').split('\n').length;
  expect(sources.filter((file) => lines(file) > linesMax).map((file) => relative(root, file))).toEqual([]);
});

test.for(['shared', 'plain'] as const)('%s kernels import only memory, and have no state', async (build) => {
  const bytes = readFileSync(join(root, `wasm/kernels.${build}.wasm`));
  const module = await WebAssembly.compile(bytes);
  expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }]);
  expect(sectionsOf(bytes)).not.toContain('global');
  expect(sectionsOf(bytes)).not.toContain('data');
  expect(sectionsOf(bytes)).not.toContain('start');
});

const sectionNames: Record<number, string> = { 6: 'global', 8: 'start', 11: 'data' };

/** The names of a module's sections; sections that do not matter here have numbers. */
function sectionsOf(bytes: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      size += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    names.push(sectionNames[id] ?? String(id));
    at += size;
  }
  return names;
}

/** Expressions that a lookup may await without a deadline: they pass one on, or are not part of a lookup. */
const awaitable = [
  'lookUp(request, ',
  'this.#lookUpAgain(request, ',
  // Ends when its attempts have ended, and the deadline ends all of them.
  'tryAt(subrequest, first.client, to, first)',
  'race.rest()',
  // Waits for a credit. The deadline resolves it too.
  'promise;',
  // Opening, closing and connecting to nodes, which have their own limits.
  'options.routing.read()',
  'Promise.all([...ranker.#route',
  'ranker.close()',
  'Promise.all([...this.#route',
  'Promise.allSettled([...this.#route',
  'this.#options.transport.close()',
  'this.close()',
  'this.#connecting;',
  'this.#transport.describe(this.url)',
  'this.#closeIfIdle()',
  'Promise.all(this.#lanes',
  // Changing the size of the cache: work in pieces, which waits for nobody.
  'resized;',
  'turn();',
];

test('a lookup awaits everything with its deadline', () => {
  const path = ['ranker', 'lookup', 'fan-out', 'node-client', 'route'].map((name) => `ranker/${name}.ts`);
  const bare = path.flatMap((file) =>
    [...readFileSync(join(src, file), 'utf8').matchAll(/\bawait (?!using )([^\n]*)/g)]
      .map(([, awaited]) => awaited)
      .filter((awaited) => !/^(request\.)?deadline\.|\(deadline\)|[ ,]deadline[ ,:)}]/.test(awaited))
      .filter((awaited) => !awaitable.some((known) => awaited.startsWith(known)))
      .map((awaited) => `${file}: await ${awaited}`),
  );
  expect(bare).toEqual([]);
});

interface LockedPackage {
  readonly link?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

describe.each(['.', 'bench', 'deploy/image', 'test/95.package', 'test/deploy', 'test/runtimes'])(
  'the lock file in %s',
  (folder) => {
    const read = (name: string): unknown => JSON.parse(readFileSync(join(root, folder, name), 'utf8'));
    const { packages } = read('package-lock.json') as { packages: Record<string, LockedPackage> };
    const { allowScripts = {} } = read('package.json') as { allowScripts?: Record<string, boolean> };
    const locked = Object.entries(packages).filter(
      ([path, { link }]) => path.includes('node_modules/') && !link,
    );

    test('has an integrity for every package', () => {
      const bare = locked.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''));
      expect(bare.map(([path]) => path)).toEqual([]);
    });

    test('locks the platform packages of every package with an install script', () => {
      const fetching = locked
        .filter(([, { hasInstallScript }]) => hasInstallScript)
        .filter(([path]) => allowScripts[path.replace(/.*node_modules\//, '')] !== false)
        .filter(([, { optionalDependencies = {} }]) =>
          Object.keys(optionalDependencies).every((name) => packages[`node_modules/${name}`] === undefined),
        );
      expect(fetching.map(([path]) => path)).toEqual([]);
    });
  },
);
