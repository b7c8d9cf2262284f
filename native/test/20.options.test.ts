// Wrong options never reach a verb: TypeError for the wrong kind and for names that do not exist, RangeError for the
// wrong value.
import {
  access,
  CompletionChannel,
  CompletionQueue,
  Context,
  completionStatus,
  IbverbsError,
  ledger,
  MemoryRegion,
  ParentDomain,
  ProtectionDomain,
  QueuePair,
  SharedReceiveQueue,
} from 'ibverbs-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstDevice, Rig, receiveWords, sendWords } from './rig.ts';

// JavaScript callers have no types that prevent wrong arguments.
// biome-ignore lint/suspicious/noExplicitAny: as above
type Anything = any;

/** An error that names the argument in `field`, and whose message does not mention undefined. */
const argumentError = expect.objectContaining({
  code: 'INVALID_ARGUMENT',
  field: expect.stringMatching(/^\w+(\.\w+|\[\d+\])?$/),
  message: expect.not.stringContaining('undefined'),
});

describe.skipIf(firstDevice() === undefined)('options', () => {
  let rig: Rig;
  beforeAll(() => {
    rig = new Rig();
  });
  afterAll(() => {
    rig[Symbol.dispose]();
    expect(Object.values(ledger()).every((count) => count === 0)).toBe(true);
  });

  const queues = (): { sendQueue: CompletionQueue; receiveQueue: CompletionQueue } => ({
    sendQueue: rig.sent,
    receiveQueue: rig.sent,
  });
  const pair = (options: Anything): QueuePair =>
    new QueuePair(rig.domain, { ...queues(), maxSends: 1, maxReceives: 1, ...options });
  const receiving = (options: Anything): void =>
    rig.a.toReadyToReceive({
      ...{ mtu: 1024, remoteQueuePair: 1, remotePacketNumber: 1, remoteGid: new Uint8Array(16), gidIndex: 0 },
      ...{ port: 1, maxReadsInFlight: 1, minRnrTimer: 1 },
      ...options,
    });
  const bytes = (): Uint8Array => rig.bytes;

  const wrongKinds: Record<string, () => unknown> = {
    'a device that is a number': () => Context.open(1 as Anything),
    'a token of another kind': () => Context.attach(rig.domain.token),
    'no token': () => ProtectionDomain.attach(undefined as Anything),
    'a domain without a context': () => ProtectionDomain.allocate({} as Anything),
    'a parent domain of a context': () => ParentDomain.allocate(rig.context as Anything),
    'a region in a context': () => MemoryRegion.register(rig.context as Anything, bytes(), 1),
    'a region over a buffer': () => MemoryRegion.register(rig.domain, rig.memory.buffer as Anything, 1),
    'a region that can be resized': () =>
      MemoryRegion.register(rig.domain, new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 })), 1),
    'access that is a text': () => MemoryRegion.register(rig.domain, bytes(), 'write' as Anything),
    'a channel without a context': () => new CompletionChannel(undefined as Anything),
    'a listener that is not a function': () => rig.context.onAsyncEvent(1 as Anything),
    'a queue without options': () => new CompletionQueue(rig.context, undefined as Anything),
    'a depth that is a text': () => new CompletionQueue(rig.context, { depth: '16' as Anything }),
    'a misspelt option of a queue': () =>
      new CompletionQueue(rig.context, { depth: 1, chanel: 1 } as Anything),
    'a channel that is not a channel': () =>
      new CompletionQueue(rig.context, { depth: 1, channel: {} as Anything }),
    'a parent that is not a parent domain': () =>
      new CompletionQueue(rig.context, { depth: 1, parent: rig.domain as Anything }),
    'a shared queue without maxReceives': () => new SharedReceiveQueue(rig.domain, {} as Anything),
    'a misspelt option of a pair': () => pair({ maxInline: 1 }),
    'a pair without a queue': () => pair({ sendQueue: undefined }),
    'a shared queue that is not a shared queue': () => pair({ sharedReceives: rig.sent }),
    'a misspelt option of toInit': () => rig.a.toInit({ port: 1, access: 0, pkey: 1 } as Anything),
    'no options of toReadyToSend': () => rig.a.toReadyToSend({} as Anything),
    'a GID that is a text': () => receiving({ remoteGid: 'fe80::1' }),
    'a misspelt option of toReadyToReceive': () => receiving({ remoteGID: 1 }),
    'completions into bytes': () => rig.sent.poll(new Uint8Array(32) as Anything),
    'completions into nothing': () => rig.sent.poll(undefined as Anything),
    'requests in bytes': () => rig.a.postSends(new Uint8Array(128) as Anything, 1),
    'a count that is a text': () => rig.a.postSends(new Uint32Array(32), '1' as Anything),
  };
  test.each(Object.entries(wrongKinds))('TypeError: %s', (_, call) => {
    expect(call).toThrow(TypeError);
    expect(call).toThrow(argumentError);
  });

  const send = (change: Partial<Parameters<typeof sendWords>[0][number]>): Uint32Array =>
    sendWords([{ opcode: 0, sges: [], ...change }]);
  const wrongValues: Record<string, () => unknown> = {
    'an empty region': () => MemoryRegion.register(rig.domain, new Uint8Array(0), 1),
    'access that does not exist': () => MemoryRegion.register(rig.domain, bytes(), 16),
    'remote writing without local': () => MemoryRegion.register(rig.domain, bytes(), access.remoteWrite),
    'a depth of 0': () => new CompletionQueue(rig.context, { depth: 0 }),
    'a depth of 1.5': () => new CompletionQueue(rig.context, { depth: 1.5 }),
    'more SGEs than a request has': () => pair({ maxSge: 5 }),
    'port 0': () => rig.a.toInit({ port: 0, access: 0 }),
    'an MTU of 1500': () => receiving({ mtu: 1500 }),
    'a GID of 4 bytes': () => receiving({ remoteGid: new Uint8Array(4) }),
    'a packet number of 25 bits': () => receiving({ remotePacketNumber: 2 ** 24 }),
    'more requests than given': () => rig.a.postSends(new Uint32Array(32), 2),
    'a negative count': () => rig.a.postSends(new Uint32Array(32), -1),
    'an opcode that does not exist': () => rig.a.postSends(send({ opcode: 7 }), 1),
    'flags that do not exist': () => rig.a.postSends(send({ flags: 16 }), 1),
    'five SGEs': () => {
      const words = send({});
      words[5] = 5;
      rig.a.postSends(words, 1);
    },
    'five SGEs to receive': () => {
      const words = receiveWords([{ id: 1n, sges: [] }]);
      words[2] = 5;
      rig.b.postReceives(words, 1);
    },
  };
  test.each(Object.entries(wrongValues))('RangeError: %s', (_, call) => {
    expect(call).toThrow(RangeError);
    expect(call).toThrow(argumentError);
  });

  // Any value in the place of one argument is either accepted, or refused with the name of the argument.
  const oddValues = [
    undefined,
    null,
    '',
    'a',
    -1,
    1.5,
    Number.NaN,
    2 ** 53,
    1n,
    true,
    {},
    [],
    () => {},
    Symbol('s'),
  ];
  const places: Record<string, (odd: Anything) => unknown> = {
    'Context.open': (odd) => Context.open(odd),
    'Context.attach': (odd) => Context.attach(odd),
    'Context.attach, the id': (odd) => Context.attach({ kind: 'context', id: odd }),
    'Context#port': (odd) => rig.context.port(odd),
    'Context#gids': (odd) => rig.context.gids(odd),
    'Context#onAsyncEvent': (odd) => rig.context.onAsyncEvent(odd),
    'ProtectionDomain.allocate': (odd) => ProtectionDomain.allocate(odd),
    'ProtectionDomain.attach': (odd) => ProtectionDomain.attach(odd),
    'ParentDomain.allocate': (odd) => ParentDomain.allocate(odd),
    'MemoryRegion.register, domain': (odd) => MemoryRegion.register(odd, bytes(), 1),
    'MemoryRegion.register, view': (odd) => MemoryRegion.register(rig.domain, odd, 1),
    'MemoryRegion.register, access': (odd) => MemoryRegion.register(rig.domain, bytes(), odd),
    CompletionChannel: (odd) => new CompletionChannel(odd),
    'CompletionQueue, options': (odd) => new CompletionQueue(rig.context, odd),
    'CompletionQueue, depth': (odd) => new CompletionQueue(rig.context, { depth: odd }),
    'CompletionQueue, channel': (odd) => new CompletionQueue(rig.context, { depth: 1, channel: odd }),
    'CompletionQueue#poll': (odd) => rig.sent.poll(odd),
    'SharedReceiveQueue, options': (odd) => new SharedReceiveQueue(rig.domain, odd),
    'QueuePair, maxSends': (odd) => pair({ maxSends: odd }),
    'QueuePair, sendQueue': (odd) => pair({ sendQueue: odd }),
    'QueuePair#postSends': (odd) => rig.a.postSends(odd, 1),
    'QueuePair#postSends, count': (odd) => rig.a.postSends(new Uint32Array(32), odd),
    'QueuePair#postReceives': (odd) => rig.b.postReceives(odd, 1),
    'QueuePair#toReadyToReceive': (odd) => receiving({ remoteGid: odd }),
    'QueuePair#toInit': (odd) => rig.a.toInit(odd),
    'QueuePair#toReadyToSend': (odd) => rig.a.toReadyToSend(odd),
    completionStatus: (odd) => completionStatus(odd),
  };
  test.each(Object.entries(places))('%s accepts or refuses any value', (_, call) => {
    for (const odd of oddValues) {
      let caught: Anything;
      try {
        (call(odd) as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
      } catch (error) {
        caught = error;
      }
      if (caught !== undefined && !(caught instanceof IbverbsError)) expect(caught).toEqual(argumentError);
    }
  });

  test('messages name the option', () => {
    expect(() => pair({ maxInline: 1 })).toThrow(/maxInline\b.*maxInlineBytes/);
    expect(() => new CompletionQueue(rig.context, { depth: 0 })).toThrow(/depth/);
  });

  test('nothing was posted', () => {
    expect(rig.sent.poll(new Uint32Array(8))).toBe(0);
    expect(rig.a.query().state).toBe('rts');
  });
});
