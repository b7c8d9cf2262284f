import type { DeviceReport, MachineReport, PortReport } from '../host/machine.ts';
import { mib } from './columns.ts';

/** The report of `flexemr doctor` as text for people. */
export function machineText({ node, cpus, memoryBytes, ...machine }: MachineReport): string {
  const { lockedBytesMax, hugePages, devices, advice } = machine;
  const locked = lockedBytesMax === undefined ? 'without limit' : `up to ${mib(lockedBytesMax)} MiB`;
  return [
    `Node ${node}, ${cpus} processors, ${mib(memoryBytes)} MiB`,
    `memory may be registered ${locked}; huge pages: ${hugePages ?? 'none'}`,
    ...devices.flatMap(deviceLines),
    ...(devices.length === 0 ? ['no RDMA device'] : []),
    ...(advice.length === 0 ? ['nothing to change'] : ['', ...advice.map((sentence) => `- ${sentence}`)]),
  ].join('\n');
}

function deviceLines({ name, ports, queuePairsMax, threadDomains }: DeviceReport): string[] {
  const domains = threadDomains ? 'thread domains' : 'no thread domains';
  return [`${name}: up to ${queuePairsMax} queue pairs, ${domains}`, ...ports.flatMap(portLines)];
}

function portLines({ port, state, linkLayer, mtu, mtuMax, gids }: PortReport): string[] {
  return [
    `  port ${port}: ${state}, ${linkLayer}, packets of ${mtu} bytes (at most ${mtuMax})`,
    ...gids.map(({ index, type, gid }) => `    GID ${index}: ${gid} ${type}`),
  ];
}
