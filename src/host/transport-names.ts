/** Names of the transports. `stream` falls back to `http` automatically, and `rdma` to `stream`. */
export const transportNames = ['stream', 'http', 'fetch', 'rdma'] as const;
export type TransportName = (typeof transportNames)[number];
