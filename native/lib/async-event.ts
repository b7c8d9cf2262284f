/** An asynchronous event of a device. */
export interface AsyncEvent {
  /** 'PORT_ERR', 'PORT_ACTIVE', 'QP_FATAL', …: the name in the verbs API, without its prefix IBV_EVENT_. */
  readonly type: string;
  /** The port, if the event is about a port. */
  readonly port?: number;
  /** QueuePair.number, if the event is about a queue pair. */
  readonly queuePair?: number;
}

export type AsyncListener = (event: AsyncEvent) => void;

const types = [
  'CQ_ERR',
  'QP_FATAL',
  'QP_REQ_ERR',
  'QP_ACCESS_ERR',
  'COMM_EST',
  'SQ_DRAINED',
  'PATH_MIG',
  'PATH_MIG_ERR',
  'DEVICE_FATAL',
  'PORT_ACTIVE',
  'PORT_ERR',
  'LID_CHANGE',
  'PKEY_CHANGE',
  'SM_CHANGE',
  'SRQ_ERR',
  'SRQ_LIMIT_REACHED',
  'QP_LAST_WQE_REACHED',
  'CLIENT_REREGISTER',
  'GID_CHANGE',
  'WQ_FATAL',
] as const;

/** Makes an event from the numbers that C++ passes. `port` or `queuePair` is 0 if the event is not about one. */
export function asyncEvent(type: number, port: number, queuePair: number): AsyncEvent {
  return {
    type: types[type] ?? `EVENT_${type}`,
    ...(port !== 0 && { port }),
    ...(queuePair !== 0 && { queuePair }),
  };
}
