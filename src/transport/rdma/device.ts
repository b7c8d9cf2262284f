import type * as Verbs from 'ibverbs-node';
import { FlexemrError } from '../../errors.ts';
import type { DeviceChoice } from './device-choice.ts';

/** A device in use, as every thread that shares it needs to know it. */
export interface OpenDevice {
  readonly name: string;
  readonly context: Verbs.Context;
  readonly domain: Verbs.ProtectionDomain;
  readonly port: number;
  readonly gid: Verbs.Gid;
  /** Bytes of a packet. */
  readonly mtu: number;
  readonly readsInFlight: number;
}

/** What another thread needs to use the same device: plain data. */
export interface DeviceTokens extends DeviceChoice {
  readonly context: Verbs.Token;
  readonly domain: Verbs.Token;
}

/** The add-on, where it is installed and built. @throws MISSING_DEPENDENCY */
export async function loadVerbs(): Promise<typeof Verbs> {
  return await import('ibverbs-node').catch((cause: Error) => {
    const message = `transport rdma needs the package ibverbs-node (${cause.message})`;
    throw new FlexemrError('MISSING_DEPENDENCY', message, { field: 'transport', cause });
  });
}

/** Opens a device for this process. @throws MISSING_DEPENDENCY, UNAVAILABLE where there is none that is usable */
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

/** The device that another thread of this process has opened. */
export function attachDevice(verbs: typeof Verbs, tokens: DeviceTokens): OpenDevice {
  const context = verbs.Context.attach(tokens.context);
  return described(context, verbs.ProtectionDomain.attach(tokens.domain), tokens);
}

export function tokensOf({ context, domain, name, gid }: OpenDevice): DeviceTokens {
  return { device: name, gidIndex: gid.index, context: context.token, domain: domain.token };
}

/** Gives the card memory to work with. @param access who else may do what @throws OUT_OF_MEMORY */
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

/** Lets go of it, as far as this thread is concerned. */
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

/** Routable addresses before those of one link; RoCE version 2 before version 1. */
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
  const message = `transport rdma: ${problem}; flexemr doctor says what this machine can do`;
  return new FlexemrError('UNAVAILABLE', message, { field: 'transport', cause });
}
