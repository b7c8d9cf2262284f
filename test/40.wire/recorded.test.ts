// In every version that they serve, nodes give the same reply bytes as when they were recorded.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Handler } from '../../src/wire/handler.ts';
import * as wire from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import { checksumOf } from './checksum-oracle.ts';
import { recordedCases } from './recorded-cases.ts';
import { ask, smallNode } from './small-node.ts';

let node: Handler;
beforeAll(async () => {
  node = await smallNode();
});

/** Fills the memory for later frames and replies with other bytes. */
function soil(): void {
  const inbox = node.admit(200_000);
  if ('code' in inbox) throw new Error(`the small node refuses: ${inbox.code}`);
  inbox.frame.fill(0xa5);
  inbox.release();
}

/** Fields that differ between replies: load, credits, and the checksum, which includes them. */
const changing = [
  wire.FRAME_CHECKSUM,
  wire.REPLY_REQUEST_CREDITS,
  wire.REPLY_REPLY_CREDITS,
  wire.REPLY_QUEUED,
  wire.REPLY_BUSY_US,
] as const;

function masked(reply: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(reply);
  for (const field of changing) copy.fill(0, field, field + 4);
  return copy;
}

function read(version: number, file: string): Uint8Array {
  return Uint8Array.from(readFileSync(join(import.meta.dirname, 'frames', `v${version}`, file)));
}

const versions = Array.from(
  { length: wire.wireVersion - wire.wireVersionOldest + 1 },
  (_, i) => wire.wireVersionOldest + i,
);
const suffix = '.subrequest.bin';

describe.for(versions)('version %i', (version) => {
  const names = readdirSync(join(import.meta.dirname, 'frames', `v${version}`))
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length));

  test.for(names)('%s', async (name) => {
    soil();
    const reply = await ask(node, read(version, `${name}${suffix}`));
    expect(masked(reply)).toEqual(masked(read(version, `${name}.reply.bin`)));
    const view = new DataView(reply.buffer);
    const carries = (view.getUint8(wire.FRAME_FLAGS) & wire.HEADER_FLAG_CHECKSUM) !== 0;
    expect(view.getUint32(wire.FRAME_CHECKSUM, true)).toBe(carries ? checksumOf(reply) : 0);
  });

  test('is the version in the recorded frames', () => {
    const written = names.map((name) => new DataView(read(version, `${name}${suffix}`).buffer));
    expect(new Set(written.map((view) => view.getUint16(wire.FRAME_VERSION, true)))).toEqual(
      new Set([version]),
    );
  });
});

test.for(versions)('subrequests of version %i are still written with the recorded bytes', (version) => {
  for (const [name, words] of recordedCases(version))
    expect([name, new Uint8Array(words.buffer)]).toEqual([name, read(version, `${name}${suffix}`)]);
});

test.for([wire.wireVersionOldest - 1, wire.wireVersion + 1])('version %i is refused', async (version) => {
  const frame = read(wire.wireVersion, `sum${suffix}`);
  new DataView(frame.buffer).setUint32(wire.FRAME_VERSION, version, true);
  const { error } = new Reply(await ask(node, frame), () => {});
  expect(error).toMatchObject({ code: 'UNSUPPORTED_VERSION', value: BigInt(version) });
});
