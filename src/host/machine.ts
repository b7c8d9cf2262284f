// Reports what this machine offers to a memory node or a ranker, and what to change.
import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import type * as Verbs from 'ibverbs-node';
import { loadVerbs } from '../transport/rdma/device.ts';

export interface PortReport {
  readonly port: number;
  readonly state: string;
  readonly linkLayer: string;
  /** Bytes of a packet: the current value, and the largest that the port supports. */
  readonly mtu: number;
  readonly mtuMax: number;
  readonly gids: readonly { readonly index: number; readonly type: string; readonly gid: string }[];
}

export interface DeviceReport {
  readonly name: string;
  readonly ports: readonly PortReport[];
  readonly queuePairsMax: number;
  readonly memoryRegionBytesMax: number;
  /** Whether each thread can have its own doorbell. */
  readonly threadDomains: boolean;
}

export interface MachineReport {
  readonly node: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Bytes that a process may register. Undefined if there is no limit or the system does not report it. */
  readonly lockedBytesMax: number | undefined;
  /** The setting for transparent huge pages: always, madvise or never. Undefined if the system has none. */
  readonly hugePages: string | undefined;
  readonly devices: readonly DeviceReport[];
  /** Sentences about what to change. */
  readonly advice: readonly string[];
}

/** Inspects this machine. Changes nothing. */
export async function inspectMachine(): Promise<MachineReport> {
  const [devices, deviceAdvice] = await inspectDevices();
  const lockedBytesMax = await readLockedBytesMax();
  const hugePages = await readHugePages();
  const advice = [...deviceAdvice, ...lockedAdvice(devices, lockedBytesMax), ...hugePagesAdvice(hugePages)];
  return {
    node: process.version,
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    lockedBytesMax,
    hugePages,
    devices,
    advice,
  };
}

async function inspectDevices(): Promise<[devices: DeviceReport[], advice: string[]]> {
  try {
    const verbs = await loadVerbs();
    const devices = verbs.devices().map(({ name }) => inspectDevice(verbs, name));
    const none =
      'No RDMA device. To add a software device (Soft-RoCE): rdma link add rxe0 type rxe netdev eth0';
    return [devices, devices.length === 0 ? [none] : devices.flatMap(portAdvice)];
  } catch (error) {
    return [[], [`No RDMA: ${(error as Error).message}`]];
  }
}

function inspectDevice(verbs: typeof Verbs, name: string): DeviceReport {
  using context = verbs.Context.open(name);
  using domain = verbs.ProtectionDomain.allocate(context);
  using own = verbs.ParentDomain.allocate(domain);
  const { maxQueuePairs, maxMemoryRegionBytes, ports } = context.attributes;
  return {
    name,
    ports: Array.from({ length: ports }, (_, i) => inspectPort(context, i + 1)),
    queuePairsMax: maxQueuePairs,
    memoryRegionBytesMax: Number(maxMemoryRegionBytes),
    threadDomains: own.threadDomain,
  };
}

function inspectPort(context: Verbs.Context, port: number): PortReport {
  const { state, linkLayer, activeMtu, maxMtu } = context.port(port);
  const gids = context.gids(port).map(({ index, type, text }) => ({ index, type, gid: text }));
  return { port, state, linkLayer, mtu: activeMtu, mtuMax: maxMtu, gids };
}

function portAdvice({ name, ports, threadDomains }: DeviceReport): string[] {
  const of = ports.flatMap(({ port, state, mtu, mtuMax }) => {
    const place = `port ${port} of ${name}`;
    if (state !== 'active') return [`${place} is ${state}: bring its network interface up.`];
    if (mtu >= mtuMax) return [];
    return [`${place} sends packets of ${mtu} bytes but supports ${mtuMax}: raise the MTU of its network.`];
  });
  const shared = `${name} has no thread domains: threads share its doorbells, which costs time if many threads are busy.`;
  return threadDomains ? of : [...of, shared];
}

/** Reads the limit of this process from the system's table of limits. */
async function readLockedBytesMax(): Promise<number | undefined> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const soft = /^Max locked memory\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

async function readHugePages(): Promise<string | undefined> {
  const file = '/sys/kernel/mm/transparent_hugepage/enabled';
  const text = await readFile(file, 'utf8').catch(() => '');
  return /\[(\w+)\]/.exec(text)?.[1];
}

function lockedAdvice(devices: readonly DeviceReport[], bytes: number | undefined): string[] {
  if (devices.length === 0 || bytes === undefined) return [];
  return [
    `Processes may register ${bytes} bytes for tables and slots together. To raise the limit: ulimit -l unlimited, or LimitMEMLOCK=infinity in the service.`,
  ];
}

function hugePagesAdvice(setting: string | undefined): string[] {
  if (setting === undefined || setting === 'always') return [];
  return [
    `Huge pages are set to ${setting}. To read tables of gigabytes up to 1.3 times faster: echo always > /sys/kernel/mm/transparent_hugepage/enabled`,
  ];
}
