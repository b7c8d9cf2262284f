// Events of completions and of devices on the event loop.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CompletionChannel, CompletionQueue, QueuePair, sendFlags, sendOpcode } from 'ibverbs-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { completionsOf, connect, firstDevice, Rig, sendWords, take, until, usableGid } from './rig.ts';

describe.skipIf(firstDevice() === undefined)('events', () => {
  let rig: Rig;
  let channel: CompletionChannel;
  let queue: CompletionQueue;
  let pair: QueuePair;
  beforeEach(() => {
    rig = new Rig();
    channel = new CompletionChannel(rig.context);
    queue = new CompletionQueue(rig.context, { depth: 16, channel });
    pair = new QueuePair(rig.domain, { sendQueue: queue, receiveQueue: queue, maxSends: 16, maxReceives: 1 });
    const gid = usableGid(rig.context);
    rig.b.toReset();
    connect(pair, rig.b.number, gid);
    connect(rig.b, pair.number, gid);
  });
  afterEach(() => {
    for (const part of [channel, queue, pair, rig]) part[Symbol.dispose]();
  });
  const write = (): void => {
    const remote = { remoteAddress: rig.address(8192), rkey: rig.region.rkey };
    const flags = sendFlags.signaled;
    pair.postSends(sendWords([{ opcode: sendOpcode.write, flags, sges: [rig.sge(0, 8)], ...remote }]), 1);
  };
  /** Waits with a timer, which keeps the process alive; channels do not. */
  const turns = (): Promise<void> => wait(100);

  test('an armed queue wakes its thread, once', async () => {
    const told: CompletionQueue[] = [];
    channel.onEvent((it) => told.push(it));
    queue.arm();
    write();
    await until(() => told.length === 1);
    expect(told[0]).toBe(queue);
    write();
    await take(queue, 2);
    await turns();
    expect(told).toHaveLength(1);
    queue.arm();
    write();
    await until(() => told.length === 2);
  });

  test('a queue that is not armed gives no event', async () => {
    let told = 0;
    channel.onEvent(() => told++);
    write();
    await take(queue, 1);
    await turns();
    expect(told).toBe(0);
  });

  test('a new listener replaces the one before', async () => {
    const told: string[] = [];
    channel.onEvent(() => told.push('first'));
    channel.onEvent(() => told.push('second'));
    queue.arm();
    write();
    await until(() => told.length === 1);
    expect(told).toEqual(['second']);
  });

  test('a listener may close everything', async () => {
    let told = 0;
    const other = new CompletionQueue(rig.context, { depth: 16, channel });
    channel.onEvent(() => {
      told++;
      for (const part of [channel, other, queue, pair]) part.close();
    });
    queue.arm();
    write();
    await until(() => told === 1);
    await turns();
    expect(told).toBe(1);
  });

  test('a queue that is closed before its event gives no event', async () => {
    let told = 0;
    channel.onEvent(() => told++);
    queue.arm();
    write();
    queue.close();
    pair.close();
    await turns();
    expect(told).toBe(0);
  });

  test('the completion can be polled in the listener', async () => {
    const words = new Uint32Array(16 * 8);
    let statuses: string[] = [];
    channel.onEvent((it) => {
      statuses = completionsOf(words, it.poll(words)).map(({ status }) => status);
    });
    queue.arm();
    write();
    await until(() => statuses.length > 0);
    expect(statuses).toEqual(['SUCCESS']);
  });

  test('ref() keeps the process alive until the event; nothing else does', () => {
    const run = (mode: string): string =>
      execFileSync(process.execPath, [join(import.meta.dirname, 'programs/keep-alive.ts'), mode], {
        encoding: 'utf8',
      });
    expect(run('ref')).toBe('event\n');
    expect(run('unref')).toBe('end\n');
  });

  test('a device without events calls no listener, and listening can stop at any time', async () => {
    const told: unknown[] = [];
    rig.context.onAsyncEvent((event) => told.push(event));
    rig.context.onAsyncEvent(undefined);
    rig.context.onAsyncEvent((event) => told.push(event));
    await turns();
    rig.context.onAsyncEvent(undefined);
    expect(told).toEqual([]);
  });
});
