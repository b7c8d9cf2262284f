// The guest with RDMA devices boots, runs commands, and has two hosts whose connection can be impaired.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { boot } from './guest/boot.ts';
import { missingPackages, runInGuest } from './guest.ts';

const missing = missingPackages();
if (missing.length > 0) {
  const message = `the guest with RDMA devices needs: apt-get install ${missing.join(' ')}`;
  if (process.env.CI) throw new Error(message);
  console.warn(`SKIPPED: ${message}`);
}

// Soft-RoCE itself now and then waits for ever after packets were lost and reordered, so it has several tries there.
const twoHosts = `
. /run/hosts.sh
ping_pong() {
  ibv_rc_pingpong -d rxe_left -g 0 -m 4096 -n 50 > /dev/null &
  await_port 18515 && timeout 30 ibv_rc_pingpong -d rxe_right -g 0 -m 4096 -n 50 localhost > /dev/null && wait $!
  status=$?
  kill $! 2> /dev/null
  return $status
}
in_four_tries() { "$@" || "$@" || "$@" || "$@"; }
packets_lost() { tc -s qdisc show dev left | grep -q 'dropped [1-9]'; }
state() { ibv_devinfo -d rxe_right | awk '/state:/ { print $2 }'; }
said() {
  "$@"
  echo "$*: $?"
}
said ping_pong
impair left loss 5% delay 1ms reorder 25%
said in_four_tries ping_pong
said packets_lost
mend left
unplug right
state
plug right
state
said ping_pong
`;

describe.skipIf(missing.length > 0)('the guest', () => {
  test('runs a command with an RDMA device and this Node.js', async () => {
    const command = 'ibv_devices; "$NODE" -p "process.version + process.env.SAID"; echo aside >&2; exit 7';
    const env = { NODE: process.execPath, SAID: " it's" };
    const { exitCode, output } = await runInGuest(command, { env });
    expect(output).toMatch(/^ +rxe0 /m);
    expect(output).toContain(`${process.version} it's\naside\n`);
    expect(exitCode).toBe(7);
  });

  test('has two hosts with a cable between them', async () => {
    const heard: string[] = [];
    const onOutput = (text: string): unknown => heard.push(text);
    const { output } = await runInGuest(twoHosts, { network: 'two-hosts', onOutput });
    expect(output.split('\n').filter((line) => line !== '')).toEqual([
      'ping_pong: 0',
      'in_four_tries ping_pong: 0',
      'packets_lost: 0',
      'PORT_DOWN',
      'PORT_ACTIVE',
      'ping_pong: 0',
    ]);
    expect(heard.join('')).toBe(output);
  });
});

/** Boots a machine with a shell script as its emulator, and with its own exchange directory. */
async function bootScript(script: string): ReturnType<typeof boot> {
  const exchange = mkdtempSync(join(tmpdir(), 'rdma-guest-test-'));
  onTestFinished(() => rmSync(exchange, { recursive: true, force: true }));
  const emulator = join(exchange, 'qemu-system-x86_64');
  writeFileSync(emulator, `#!/bin/bash\ncd ${exchange}\n${script}\n`);
  chmodSync(emulator, 0o755);
  vi.stubEnv('PATH', `${exchange}:${process.env.PATH}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  const limits = { bootTimeoutS: 1, timeoutS: 1 };
  return boot({ image: exchange, exchange, memoryGiB: 1, cpus: 1, onOutput: undefined, ...limits });
}

describe('a machine', () => {
  test('that hangs before its command starts is ended', async () => {
    expect(await bootScript('echo stuck > console; exec sleep 60')).toMatchObject({
      started: false,
      exitCode: undefined,
      console: 'stuck\n',
      ended: 'it hung',
    });
  });

  test('that hangs in its command is ended, and its output is kept', async () => {
    const run = await bootScript('touch started; echo said; exec sleep 60');
    expect(run).toMatchObject({
      started: true,
      exitCode: undefined,
      output: 'said\n',
      ended: 'killed after 1 s',
    });
  });

  test('that goes down is distinguished from one whose command ended', async () => {
    expect(await bootScript('exit 3')).toMatchObject({ started: false, ended: 'qemu ended with 3' });
    const run = await bootScript('touch started; echo 5 > exit-code');
    expect(run).toMatchObject({ started: true, exitCode: 5, ended: 'qemu ended with 0' });
  });
});
