// Runs a command in an emulated guest with RDMA devices: Debian's stock kernel with Soft-RoCE. The guest sees the files
// of this machine read-only, and its writes are lost. By hand: `node test/rdma/guest.ts 'ibv_devices'`.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { type Boot, boot } from './guest/boot.ts';

export interface GuestOptions {
  readonly memoryGiB?: number;
  readonly cpus?: number;
  /** The time limit of the command, without the time to boot the guest. */
  readonly timeoutS?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** The directory of the command; by default that of this process. */
  readonly cwd?: string;
  /**
   * 'one': `rxe0` on the loopback interface. 'two-hosts': `rxe_left` and `rxe_right` with a cable between them, which
   * `guest/hosts.sh` controls.
   */
  readonly network?: 'one' | 'two-hosts';
  /** Gets the output of the command while it runs. */
  readonly onOutput?: (text: string) => void;
}

export interface GuestRun {
  /** The exit code of the command. */
  readonly exitCode: number;
  /** The standard output and standard error of the command. */
  readonly output: string;
  readonly bootMs: number;
}

/** A guest is not possible on this machine: packages are missing, or the kernel cannot be downloaded. */
export class GuestUnavailableError extends Error {
  override readonly name = 'GuestUnavailableError';
}

/** The guest did not boot, went down, or exceeded its time limit. */
export class GuestFailedError extends Error {
  override readonly name = 'GuestFailedError';
  readonly output: string;

  constructor(message: string, output: string) {
    super(output === '' ? message : `${message}, after\n${output}`);
    this.output = output;
  }
}

const scripts = join(import.meta.dirname, 'guest');
const bootTimeoutS = 90;
const prepareTimeoutS = 300;

/** A file of each Debian package that the guest, or a program in it, needs. */
const packages: Readonly<Record<string, string>> = {
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'busybox-static': '/bin/busybox',
  cpio: '/usr/bin/cpio',
  kmod: '/sbin/modprobe',
  'xz-utils': '/usr/bin/xz',
  binutils: '/usr/bin/strip',
  iproute2: '/usr/bin/rdma',
  'ibverbs-providers': '/etc/libibverbs.d/rxe.driver',
  'libibverbs-dev': '/usr/include/infiniband/verbs.h',
  'ibverbs-utils': '/usr/bin/ibv_rc_pingpong',
  'rdmacm-utils': '/usr/bin/rping',
  perftest: '/usr/bin/ib_write_bw',
};

/** The names of the missing Debian packages for a guest. */
export function missingPackages(): string[] {
  return Object.keys(packages).filter((name) => !existsSync(packages[name] as string));
}

/**
 * @param command for bash
 * @throws GuestUnavailableError | GuestFailedError
 */
export async function runInGuest(command: string, options: GuestOptions = {}): Promise<GuestRun> {
  const image = await prepared();
  const exchange = mkdtempSync(join(tmpdir(), 'rdma-guest-'));
  try {
    writeFileSync(join(exchange, 'network'), options.network ?? 'one');
    writeFileSync(join(exchange, 'command'), script(command, options));
    const { memoryGiB = 4, cpus = 2, timeoutS = 300, onOutput } = options;
    const machine = { image, exchange, memoryGiB, cpus, bootTimeoutS, timeoutS, onOutput };
    let run = await boot(machine);
    // Emulated machines hang during about one of 150 boots. Only booting is retried.
    if (!run.started) run = await boot(machine);
    return result(run);
  } finally {
    rmSync(exchange, { recursive: true, force: true });
  }
}

function result({ started, exitCode, output, console, bootMs, ended }: Boot): GuestRun {
  if (!started) throw new GuestFailedError(`The guest did not boot (${ended})`, console.slice(-4000));
  if (exitCode === undefined)
    throw new GuestFailedError(
      `The guest ended before its command (${ended})`,
      output + console.slice(-4000),
    );
  return { exitCode, output, bootMs };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function script(command: string, { env = {}, cwd = process.cwd() }: GuestOptions): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  return `cd ${quoted(cwd)}\n${exports.join('')}${command}\n`;
}

/** @returns the folder of the kernel and its initramfs, which are made once for each version of the scripts */
async function prepared(): Promise<string> {
  const missing = missingPackages();
  if (missing.length > 0)
    throw new GuestUnavailableError(`No guest with RDMA devices here: apt-get install ${missing.join(' ')}`);
  const hash = createHash('sha256');
  for (const name of ['prepare.sh', 'init', 'stage2', 'hosts.sh'])
    hash.update(readFileSync(join(scripts, name)));
  const caches = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const image = join(caches, 'flexemr', `rdma-guest-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(image)) await prepare(image);
  return image;
}

/** Prepares the image in a temporary folder and renames that, because several processes may do it at the same time. */
async function prepare(image: string): Promise<void> {
  mkdirSync(dirname(image), { recursive: true });
  const beside = mkdtempSync(`${image}-`);
  try {
    const limits = { timeout: prepareTimeoutS * 1000, maxBuffer: 1 << 24 };
    await promisify(execFile)('bash', [join(scripts, 'prepare.sh'), beside], limits).catch((cause) => {
      throw new GuestUnavailableError(`No kernel for a guest with RDMA devices: ${cause.message}`, { cause });
    });
    renameSync(beside, image);
  } catch (error) {
    if (!existsSync(image) || readdirSync(image).length === 0) throw error;
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

/** Exit codes of this program if the command did not end. */
const exitCodes = { unavailable: 124, failed: 125 };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'two-hosts': { type: 'boolean' }, timeout: { type: 'string' }, memory: { type: 'string' } },
  });
  const run = await runInGuest(positionals.join(' '), {
    network: values['two-hosts'] ? 'two-hosts' : 'one',
    timeoutS: Number(values.timeout ?? 300),
    memoryGiB: Number(values.memory ?? 4),
    onOutput: (text) => process.stdout.write(text),
  });
  console.error(`guest: booted in ${(run.bootMs / 1000).toFixed(1)} s`);
  process.exitCode = run.exitCode;
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = error instanceof GuestUnavailableError ? exitCodes.unavailable : exitCodes.failed;
  });
}
