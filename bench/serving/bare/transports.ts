import { oursHttp, oursStream } from './ours-transports.ts';
import type { TransportUnderTest } from './transport-under-test.ts';
import { undiciDispatch, undiciRequest } from './undici-transports.ts';

/** Transports whose client is this process; ours first. The C floor has a client of its own (epoll-racer). */
export const transports: readonly TransportUnderTest[] = [
  oursStream,
  oursHttp,
  undiciRequest,
  undiciDispatch,
];
