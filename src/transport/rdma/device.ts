import type * as Verbs from 'ibverbs-node';
import { FlexemrError } from '../../errors.ts';
import type { DeviceChoice } from './device-choice.ts';

/** An open device. Each thread that shares the device has its own one. */
export interface OpenDevice {
  readonly name: string;
  readonly context: Verbs.Context;
  readonly domain: Verbs.ProtectionDomain;
  readonly port: number;
  readonly gid: Verbs.Gid;
  /** Bytes of a packet, at most. */
  readonly mtu: number;
  readonly readsInFlight: number;
}

/** What another thread needs to use the same device. It is plain data. */
export interface DeviceTokens extends DeviceChoice {
  readonly context: Verbs.Token;
  readonly domain: Verbs.Token;
}

/** Loads the native add-on. @throws MISSING_DEPENDENCY if it is not installed or not built */
export async function loadVerbs(): Promise<typeof Verbs> {
  return await import('ibverbs-node').catch((cause: Error) => {
    const message = `transport rdma needs the package ibverbs-node (${cause.message})`;
    throw new FlexemrError('MISSING_DEPENDENCY', message, { field: 'transport', cause });
  });
}

/** Opens a device for this process. @throws UNAVAILABLE if no device is usable */
export function openDevice(verbs: typeof Verbs, choice: DeviceChoice): OpenDevice {
  const name = choice.device ?? orUnavailable('list devices', () => verbs.devices())[0]?.name;
  if (name === undefined) throw noDevice('this machine has no RDMA device');
  const context = orUnavailable(`open ${name}`, () => verbs.Context.open(name));
  try {
    const domain = orUnavailable(`use ${name}`, () => verbs.ProtectionDomain.allocate(context));
    return described(context, domain, choice);
  } catch (error) {
    context.close();
    throw error;
  }
}

/** Attaches to a device that another thread of this process has opened. */
export function attachDevice(verbs: typeof Verbs, tokens: DeviceTokens): OpenDevice {
  const context = verbs.Context.attach(tokens.context);
  return described(context, verbs.ProtectionDomain.attach(tokens.domain), tokens);
}

export function tokensOf({ context, domain, name, gid }: OpenDevice): DeviceTokens {
  return { device: name, gidIndex: gid.index, context: context.token, domain: domain.token };
}

/** Registers memory with the card. @param access who else may access it, and how @throws OUT_OF_MEMORY */
export function registerMemory(
  verbs: typeof Verbs,
  { domain }: Pick<OpenDevice, 'domain'>,
  bytes: Uint8Array,
  access: number,
): Verbs.MemoryRegion {
  try {
    return verbs.MemoryRegion.register(domain, bytes, access);
  } catch (cause) {
    if (!(cause instanceof verbs.IbverbsError) || cause.code !== 'ENOMEM') throw cause;
    throw new FlexemrError('OUT_OF_MEMORY', `transport rdma: ${cause.message}`, {
      field: 'transport',
      cause,
    });
  }
}

/** Closes the device for this thread. */
export function closeDevice({ context, domain }: OpenDevice): void {
  domain.close();
  context.close();
}

function described(
  context: Verbs.Context,
  domain: Verbs.ProtectionDomain,
  { gidIndex }: DeviceChoice,
): OpenDevice {
  const port = 1;
  const { state, activeMtu } = context.port(port);
  const gid = chooseGid(context.gids(port), gidIndex);
  const name = context.device;
  if (state !== 'active') throw noDevice(`port ${port} of ${name} is ${state}: bring its network up`);
  if (gid === undefined) throw noDevice(`port ${port} of ${name} has no GID ${gidIndex ?? 'at all'}`);
  const readsInFlight = context.attributes.maxReadsInFlight;
  return { name, context, domain, port, gid, mtu: activeMtu, readsInFlight };
}

/** Prefers RoCE version 2 to version 1, and then routable addresses to link-local ones. */
function chooseGid(gids: readonly Verbs.Gid[], index: number | undefined): Verbs.Gid | undefined {
  if (index !== undefined) return gids.find((gid) => gid.index === index);
  const rank = ({ type, raw }: Verbs.Gid): number =>
    (type === 'RoCEv1' ? 2 : 0) + (raw[0] === 0xfe && raw[1] === 0x80 ? 1 : 0);
  return gids.toSorted((a, b) => rank(a) - rank(b))[0];
}

function orUnavailable<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw noDevice(`cannot ${what}: ${(cause as Error).message}`, cause);
  }
}

function noDevice(problem: string, cause?: unknown): FlexemrError {
  const message = `transport rdma: ${problem}; run flexemr doctor to see what this machine supports`;
  return new FlexemrError('UNAVAILABLE', message, { field: 'transport', cause });
}
