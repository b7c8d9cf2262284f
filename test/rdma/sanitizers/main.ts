// npm run test:sanitizers: builds the add-on and the stand-in with AddressSanitizer and UndefinedBehaviorSanitizer, and
// runs the tests of verbs and lookups with them. A report ends its process. Ends with a line of counts.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { countsOf, root, run } from '../vitest-run.ts';

process.env.SANITIZE = 'address,undefined';
const { buildPlanted, buildStandIn, missingPackages } = await import('../stand-in/build.ts');
const missing = missingPackages();
if (missing !== undefined) {
  console.error(`NOTHING IS SANITIZED HERE: apt-get install ${missing}`);
  process.exit(process.env.CI ? 1 : 0);
}

const temporary = mkdtempSync(join(tmpdir(), 'flexemr-sanitizers-'));
const reports = join(temporary, 'reports');
/** A copy in which the sanitized add-on replaces the usual one, so that other tests can run at the same time. */
const project = join(temporary, 'project');
const planted = ['heap-buffer-overflow', 'heap-use-after-free', 'signed integer overflow'];
let passed = 0;
let failed = 0;
try {
  mkdirSync(reports);
  const env = sanitized(buildStandIn());
  const library = buildPlanted();
  copyProject();
  execFileSync(process.execPath, ['native/build.ts'], { cwd: project, stdio: 'inherit' });
  for (const fault of planted)
    check(`finds a planted ${fault}`, reportsOf(fault, library, env).includes(fault));
  for (const args of ['--root native', '-c test/rdma/vitest.config.ts bits faults hostile ledger']) {
    const ended = await run(args, env, project);
    console.log(`\n== sanitized: ${args}\n${ended.output}`);
    const counts = countsOf(ended);
    passed += counts.passed;
    failed += counts.failed;
  }
  const found = takeReports();
  if (found !== '') console.log(found);
  check('finds nothing else', found === '');
} finally {
  rmSync(temporary, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function check(what: string, holds: boolean): void {
  console.log(`${holds ? 'ok' : 'FAILED'}: ${what}`);
  if (holds) passed++;
  else failed++;
}

/** Copies everything except the installed packages, which are linked. Of the workspaces, only native/ is used. */
function copyProject(): void {
  const isCopied = (path: string): boolean => path === root || !/^(node_modules|\..*)$/.test(basename(path));
  cpSync(root, project, { recursive: true, filter: isCopied });
  mkdirSync(join(project, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules')))
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  rmSync(join(project, 'node_modules/ibverbs-node'));
  symlinkSync(join(project, 'native'), join(project, 'node_modules/ibverbs-node'));
}

/** Node.js is built without sanitizers, so their runtime is preloaded. V8 keeps its SIGSEGV handler and its heap. */
function sanitized(standIn: string): Record<string, string> {
  const runtimes = ['libasan.so', 'libubsan.so'].map((name) =>
    execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim(),
  );
  const log = `log_path=${join(reports, 'report')}`;
  return {
    SANITIZE: process.env.SANITIZE ?? '',
    IBVERBS_LIBRARY: standIn,
    LD_PRELOAD: runtimes.join(' '),
    // Freed memory is kept in quarantine, but less than the growth that the tests of lifetimes allow.
    ASAN_OPTIONS: `${log}:detect_leaks=0:handle_segv=0:allow_user_segv_handler=1:quarantine_size_mb=4`,
    UBSAN_OPTIONS: `${log}:print_stacktrace=1`,
  };
}

function reportsOf(fault: string, library: string, env: Record<string, string>): string {
  const load = `process.dlopen({ exports: {} }, ${JSON.stringify(library)})`;
  const { stderr } = spawnSync(process.execPath, ['-e', load], {
    env: { ...process.env, ...env, PLANTED: fault },
    encoding: 'utf8',
  });
  return takeReports() + stderr;
}

function takeReports(): string {
  const paths = readdirSync(reports).map((name) => join(reports, name));
  const texts = paths.map((path) => readFileSync(path, 'utf8'));
  for (const path of paths) rmSync(path);
  return texts.join('\n');
}
