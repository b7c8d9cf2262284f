// A thread that does the lookups of a ranker. It has connections, memory and a cache of its own.
import { exposeEngine } from './expose-engine.ts';
import { openTransport, type TransportChoice } from './open-transport.ts';

exposeEngine<TransportChoice>(openTransport);
