// Registers large memory, and more memory than is allowed.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ledger, MemoryRegion, ProtectionDomain, sendFlags, sendOpcode } from 'ibverbs-node';
import { describe, expect, test } from 'vitest';
import { everyAccess, firstDevice, onKernel, openFirst, Rig, take } from './rig.ts';
import { expectSettled } from './settled.ts';

const MiB = 2 ** 20;
const arenaPages = 65_536;

describe.skipIf(firstDevice() === undefined)('memory', () => {
  test('an arena of 4 GiB is one region, which can be written up to its last byte', async () => {
    using rig = new Rig();
    const arena = new WebAssembly.Memory({ initial: arenaPages, maximum: arenaPages, shared: true });
    const bytes = new Uint8Array(arena.buffer);
    using region = MemoryRegion.register(rig.domain, bytes, everyAccess);
    expect(region.byteLength).toBe(4096 * MiB);
    const end = region.address + BigInt(region.byteLength) - 8n;
    rig.words64[0] = 0x0123_4567_89ab_cdefn;
    const flags = sendFlags.signaled;
    const [write, read] = [sendOpcode.write, sendOpcode.read];
    rig.send({ opcode: write, flags, sges: [rig.sge(0, 8)], remoteAddress: end, rkey: region.rkey });
    rig.send({ opcode: read, flags, sges: [rig.sge(64, 8)], remoteAddress: end, rkey: region.rkey });
    expect(await take(rig.sent, 2)).toMatchObject([{ status: 'SUCCESS' }, { status: 'SUCCESS' }]);
    expect(new BigUint64Array(arena.buffer, bytes.length - 8)[0]).toBe(rig.words64[0]);
    expect(rig.words64[8]).toBe(rig.words64[0]);
    // One byte further is beyond the region.
    rig.send({ opcode: write, flags, sges: [rig.sge(0, 8)], remoteAddress: end + 1n, rkey: region.rkey });
    expect(await take(rig.sent, 1)).toMatchObject([{ status: 'REM_ACCESS_ERR' }]);
  });

  test('registering 16 MiB a thousand times does not leak', () => {
    using context = openFirst();
    using domain = ProtectionDomain.allocate(context);
    const bytes = new Uint8Array(16 * MiB).fill(1);
    const before = ledger();
    expectSettled(1000, () => MemoryRegion.register(domain, bytes, everyAccess).close());
    expect(ledger()).toEqual(before);
  });

  // Stand-ins do not obey the limits of the kernel.
  test.skipIf(!onKernel)('more memory than can be locked: ENOMEM, and what to set', () => {
    const program = join(import.meta.dirname, 'programs/registering.ts');
    // Root has no limit for locked memory unless the capability is dropped.
    const lesser = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-ipc_lock', '--'] : [];
    const [command = '', ...words] = [
      ...lesser,
      'prlimit',
      `--memlock=${2 * MiB}`,
      process.execPath,
      program,
    ];
    const sizes = [MiB, 4 * MiB, MiB];
    const output = execFileSync(command, [...words, ...sizes.map(String)], { encoding: 'utf8' });
    expect(output.split('\n')).toEqual([
      'registered',
      expect.stringMatching(
        /^ENOMEM ibv_reg_mr, 4194304 bytes on \w+: .*can lock only 2097152 bytes of memory; set ulimit -l unlimited/,
      ),
      'registered',
      '',
    ]);
  });
});
