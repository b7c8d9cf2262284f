import { addon } from './addon.ts';

export interface DeviceInfo {
  /** The name that Context.open takes. */
  readonly name: string;
  readonly guid: bigint;
  /** 'CA' (channel adapter, also of RoCE), 'SWITCH', 'ROUTER', 'RNIC', 'USNIC', 'USNIC_UDP' or 'UNSPECIFIED'. */
  readonly nodeType: string;
  /** 'IB' (also RoCE), 'IWARP', 'USNIC', 'USNIC_UDP' or 'UNSPECIFIED'. */
  readonly transport: string;
}

const nodeTypes = ['', 'CA', 'SWITCH', 'ROUTER', 'RNIC', 'USNIC', 'USNIC_UDP', 'UNSPECIFIED'];
const transports = ['IB', 'IWARP', 'USNIC', 'USNIC_UDP', 'UNSPECIFIED'];

/** Devices of this machine. @throws IbverbsError LIBRARY_MISSING | ADDON_MISSING */
export function devices(): DeviceInfo[] {
  return addon()
    .devices()
    .map(({ name, guid, nodeType, transport }) => ({
      name,
      guid,
      nodeType: nodeTypes[nodeType] || 'UNSPECIFIED',
      transport: transports[transport] ?? 'UNSPECIFIED',
    }));
}
