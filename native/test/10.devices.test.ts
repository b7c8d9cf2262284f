// Finds and opens devices, and says what is missing if there are none.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context, devices, IbverbsError, ledger } from 'ibverbs-node';
import { describe, expect, test } from 'vitest';
import { firstDevice, openFirst, usableGid } from './rig.ts';

const device = firstDevice();
const dist = join(import.meta.dirname, '../dist');

/** Runs a program that calls devices() of `folder`. @returns the error that devices() throws there */
function errorOf(folder: string, environment: Record<string, string>): Record<string, unknown> {
  const program = `
    import { devices } from ${JSON.stringify(join(folder, 'index.js'))};
    try { devices(); } catch (e) { console.log(JSON.stringify({ ...e, name: e.name, message: e.message })); }`;
  const options = { encoding: 'utf8', env: { ...process.env, ...environment } } as const;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], options));
}

test('a missing library is named', () => {
  const error = errorOf(dist, { IBVERBS_LIBRARY: '/nowhere/libibverbs.so.1' });
  expect(error).toMatchObject({ name: 'IbverbsError', verb: 'dlopen', code: 'LIBRARY_MISSING' });
  expect(error.message).toContain('/nowhere/libibverbs.so.1');
});

test('a missing symbol is named', () => {
  const error = errorOf(dist, { IBVERBS_LIBRARY: 'libm.so.6' });
  expect(error).toMatchObject({ verb: 'dlsym', code: 'LIBRARY_MISSING' });
  expect(error.message).toContain('ibv_get_device_list');
});

test('an add-on that is not built says how to build it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ibverbs-'));
  try {
    cpSync(dist, join(folder, 'dist'), { recursive: true, filter: (file) => !/\.node/.test(file) });
    cpSync(join(dist, '../package.json'), join(folder, 'package.json'));
    const error = errorOf(join(folder, 'dist'), {});
    expect(error).toMatchObject({ code: 'ADDON_MISSING' });
    expect(error.message).toContain('npm run build:native');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe.skipIf(device === undefined)('devices', () => {
  test('have a name, a GUID and a kind', () => {
    expect(devices()[0]).toMatchObject({ name: device, nodeType: 'CA', transport: 'IB' });
    expect(typeof devices()[0]?.guid).toBe('bigint');
  });

  test('have attributes when they are open', () => {
    using context = openFirst();
    expect(context.device).toBe(device);
    expect(context.attributes.maxQueuePairs).toBeGreaterThan(0);
    expect(context.attributes.maxSge).toBeGreaterThanOrEqual(4);
    expect(context.attributes.ports).toBeGreaterThanOrEqual(1);
    expect(context.attributes.pageSizes & 4096n).toBe(4096n);
  });

  test('have ports with GIDs', () => {
    using context = openFirst();
    expect(context.port(1)).toMatchObject({ state: 'active', linkLayer: 'ethernet' });
    expect([256, 512, 1024, 2048, 4096]).toContain(context.port(1).activeMtu);
    const gid = usableGid(context);
    expect(gid.raw).toHaveLength(16);
    expect(gid.text).toMatch(/^[0-9a-f:.]+$/);
    expect(gid.type).toBe('RoCEv2');
  });

  test('are opened only once by a process', () => {
    using first = openFirst();
    using second = Context.attach(first.token);
    using third = openFirst();
    expect([second.token, third.token]).toEqual([first.token, first.token]);
    expect(ledger().contexts).toBe(1);
  });

  test('that do not exist cannot be opened: ENODEV', () => {
    expect(() => Context.open('no-such-device')).toThrow(IbverbsError);
    expect(() => Context.open('no-such-device')).toThrow(
      expect.objectContaining({ verb: 'ibv_open_device', object: 'no-such-device', code: 'ENODEV' }),
    );
  });

  test('refuse ports that they do not have', () => {
    using context = openFirst();
    expect(() => context.port(200)).toThrow(expect.objectContaining({ verb: 'ibv_query_port' }));
    expect(() => context.port(0)).toThrow(RangeError);
  });
});
