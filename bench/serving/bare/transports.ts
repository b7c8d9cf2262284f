import { oursHttp, oursStream } from './ours-transports.ts';
import type { TransportUnderTest } from './transport-under-test.ts';
import { undiciDispatch, undiciRequest } from './undici-transports.ts';

/** Transports whose client is this process. Ours are the first. The C echo has its own client (epoll-racer). */
export const transports: readonly TransportUnderTest[] = [
  oursStream,
  oursHttp,
  undiciRequest,
  undiciDispatch,
];
