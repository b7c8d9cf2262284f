/** What a device tells unasked. */
export interface AsyncEvent {
  /** 'PORT_ERR', 'PORT_ACTIVE', 'QP_FATAL', …: names of the verbs, without their IBV_EVENT_. */
  readonly type: string;
  /** Of events of ports. */
  readonly port?: number;
  /** Of events of queue pairs: QueuePair.number. */
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

/** From numbers that C++ gives; 0 for a port or a queue pair means there is none. */
export function asyncEvent(type: number, port: number, queuePair: number): AsyncEvent {
  return {
    type: types[type] ?? `EVENT_${type}`,
    ...(port !== 0 && { port }),
    ...(queuePair !== 0 && { queuePair }),
  };
}
