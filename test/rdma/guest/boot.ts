// Runs the guest once, from power on to power off, within time limits.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Machine {
  /** The directory of kernel and initrd.gz. */
  readonly image: string;
  /** A directory that the guest shares: it reads `command` and `network`, and writes `started` and `exit-code`. */
  readonly exchange: string;
  readonly memoryGiB: number;
  readonly cpus: number;
  readonly bootTimeoutS: number;
  readonly timeoutS: number;
  readonly onOutput: ((text: string) => void) | undefined;
}

export interface Boot {
  /** Whether the command has started. */
  readonly started: boolean;
  /** The exit code of the command, or undefined if it did not end. */
  readonly exitCode: number | undefined;
  readonly output: string;
  /** The messages of the kernel and of its first process. */
  readonly console: string;
  readonly bootMs: number;
  /** How the machine ended. */
  readonly ended: string;
}

const kernelArguments =
  'console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable no_timer_check random.trust_cpu=on';

/** The machine is always emulated, because even an existing /dev/kvm may not work. */
function qemuArguments({ image, exchange, memoryGiB, cpus }: Machine): string[] {
  return [
    ...['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', `${cpus}`, '-m', `${memoryGiB}G`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-serial', `file:${join(exchange, 'console')}`, '-serial', 'stdio'],
    ...['-kernel', join(image, 'kernel'), '-initrd', join(image, 'initrd.gz'), '-append', kernelArguments],
    ...['-fsdev', 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=root,mount_tag=hostroot'],
    ...['-fsdev', `local,id=out,path=${exchange},security_model=none`],
    ...['-device', 'virtio-9p-pci,fsdev=out,mount_tag=hostout'],
  ];
}

export async function boot(machine: Machine): Promise<Boot> {
  const file = (name: string): string => join(machine.exchange, name);
  for (const name of ['started', 'exit-code', 'console']) rmSync(file(name), { force: true });
  const qemu = spawn('qemu-system-x86_64', qemuArguments(machine), { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (): boolean => qemu.kill('SIGKILL');
  process.once('exit', kill);
  try {
    const output = listen(qemu, machine.onOutput);
    const began = performance.now();
    const end = ending(qemu);
    const bootMs = await started(file('started'), end.signal, machine.bootTimeoutS).then(
      () => performance.now() - began,
    );
    const ended = await withinTime(qemu, end, existsSync(file('started')) ? machine.timeoutS : 0);
    const read = (name: string): string => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '');
    const code = read('exit-code').trim();
    return {
      started: existsSync(file('started')),
      exitCode: code === '' ? undefined : Number(code),
      output: output(),
      console: read('console'),
      bootMs,
      ended,
    };
  } finally {
    process.off('exit', kill);
    kill();
  }
}

/** Collects the output. @returns a function that gives the output so far */
function listen(qemu: ChildProcess, onOutput: ((text: string) => void) | undefined): () => string {
  let output = '';
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      onOutput?.(text);
    });
  }
  return () => output;
}

interface Ending {
  readonly reason: Promise<string>;
  /** Aborted when the machine ends. */
  readonly signal: AbortSignal;
}

function ending(qemu: ChildProcess): Ending {
  const gone = new AbortController();
  const reason = new Promise<string>((resolve) => {
    qemu.once('error', (error) => resolve(error.message));
    qemu.once('close', (code, signal) => resolve(`qemu ended with ${signal ?? code}`));
  }).finally(() => gone.abort());
  return { reason, signal: gone.signal };
}

/** Resolves when the file exists, the machine has ended, or the time is up. */
async function started(file: string, gone: AbortSignal, limitS: number): Promise<void> {
  const until = performance.now() + limitS * 1000;
  while (!existsSync(file) && !gone.aborted && performance.now() < until) await sleep(50);
}

/** Ends the machine if it does not end within `limitS` seconds. @returns how it ended */
async function withinTime(qemu: ChildProcess, { reason, signal }: Ending, limitS: number): Promise<string> {
  const late = await Promise.race([
    reason.then(() => false),
    sleep(limitS * 1000, true, { signal }).catch(() => false),
  ]);
  if (!late) return reason;
  qemu.kill('SIGKILL');
  await reason;
  return limitS === 0 ? 'it hung' : `killed after ${limitS} s`;
}
