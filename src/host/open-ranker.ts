import * as v from 'valibot';
import { checkFields, given, integer, isObject, options as optionsOf } from '../check.ts';
import { EngineRanker, type EngineRankerOptions } from '../engine/engine-ranker.ts';
import { enginesMax } from '../engine-limits.ts';
import { FlexemrError } from '../errors.ts';
import { kernelModule } from '../kernel/files.ts';
import type { PushDown } from '../lookup/asked.ts';
import { isNatsAddress } from '../nats/address.ts';
import { type NatsCredentials, natsCredentials } from '../nats/credentials.ts';
import { KeyStream } from '../nats/key-stream.ts';
import { type RoutingSource, routingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import {
  type AdaptiveCacheOptions,
  adaptiveCacheOf,
  adaptiveCacheOptions,
} from '../ranker/adaptive-cache.ts';
import type { CacheOptions } from '../ranker/cache-options.ts';
import type { CacheSize } from '../ranker/cache-size.ts';
import { InlineRanker } from '../ranker/inline-ranker.ts';
import type { Ranker } from '../ranker/ranker.ts';
import { rankerFields } from '../ranker/ranker-options.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import { closeDevice, loadVerbs, openDevice, tokensOf } from '../transport/rdma/device.ts';
import { type DeviceChoice, deviceChoice } from '../transport/rdma/device-choice.ts';
import { type ClientSecurity, clientSecurity } from '../transport/security.ts';
import type { Transport } from '../transport/transport.ts';
import type { UpdatedKeys } from '../updates/updated-keys.ts';
import { allowedBytes } from './allowed-bytes.ts';
import { openClusterSource } from './cluster-source.ts';
import { collectGarbage } from './collect-garbage.ts';
import { engineThreads } from './engine-threads.ts';
import { fileRouting } from './file-routing.ts';
import { FollowedCluster } from './followed-cluster.ts';
import { httpRouting } from './http-routing.ts';
import { openTransport, type TransportChoice } from './open-transport.ts';
import { type TransportName, transportNames } from './transport-names.ts';

export interface OpenRankerOptions {
  /**
   * A routing table; the path or URL of one, which is watched for changes; nats://HOST:PORT/BUCKET, a cluster in NATS; or your
   * own source.
   */
  readonly routing: RoutingTable | RoutingSource | string;
  /** Who asks NATS, if routing is there. */
  readonly nats?: NatsCredentials | undefined;
  /** Default `stream`. */
  readonly transport?: TransportName | Transport | undefined;
  readonly security?: ClientSecurity | undefined;
  /** The device of the transport `rdma`. Default: the first device that works. */
  readonly rdma?: DeviceChoice | undefined;
  /** Default `auto`: push down or fetch each segment, whichever brings back fewer bytes. */
  readonly pushDown?: PushDown | undefined;
  /** Bags of a feature that are equal are sent and pooled once. Default: true. */
  readonly deduplicateBags?: boolean | undefined;
  /** Frames carry checksums, except over TLS and RDMA. Default: true. */
  readonly checksums?: boolean | undefined;
  /** If several nodes hold the same rows, a subrequest whose reply is late is sent to another one, too. Default: true. */
  readonly hedge?: boolean | undefined;
  /**
   * Most bytes of replies that are under way at a time, from all nodes: 64 KiB or more, default 64 MiB. More replies wait at
   * their nodes.
   */
  readonly replyBytes?: number | undefined;
  /** A cache of pooled bags: its bytes, `256MiB`, `10%` of the bytes of all rows, `off` (default), or its options. */
  readonly cache?: CacheSize | CacheOptions | undefined;
  /** Instead of a size of the cache: it follows the batches of a scorer that has the ranker as its source. */
  readonly adaptiveCache?: AdaptiveCacheOptions | undefined;
  /**
   * Threads that do the lookups. Each has connections, and an equal part of the cache. 0 (default): the thread that opens
   * the ranker does them.
   */
  readonly engines?: number | undefined;
  /**
   * Called if a changed routing table cannot be used; the old one stays in use. Also when the cache leaves out tables that take
   * updates, because it does not hear of them.
   */
  readonly onRoutingError?: ((error: Error) => void) | undefined;
}

const methods = ['session', 'describe', 'traffic', 'close'];
const isTransport = (value: unknown): boolean =>
  transportNames.includes(value as TransportName) ||
  (isObject(value) && methods.every((name) => typeof value[name] === 'function'));

const rankerOptions = optionsOf({
  // routingSource checks it.
  routing: v.optional(given<OpenRankerOptions['routing']>('a routing table')),
  nats: v.optional(natsCredentials),
  transport: v.optional(
    v.custom<TransportName | Transport>(isTransport, `one of ${transportNames.join(', ')}, or a transport`),
  ),
  security: v.optional(clientSecurity),
  rdma: v.optional(deviceChoice),
  ...rankerFields,
  adaptiveCache: adaptiveCacheOptions,
  engines: v.optional(integer(0, enginesMax)),
});

/**
 * Opens a ranker, which looks up keys in memory nodes.
 * @throws INVALID_ROUTING, INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY, WORKER_FAILED
 */
export async function openRanker(options: OpenRankerOptions): Promise<Ranker> {
  const { routing, nats, ...checked } = checkFields(rankerOptions, options);
  checkOptions(checked);
  if (typeof routing !== 'string' || !isNatsAddress(routing)) return await open(sourceOf(routing), checked);
  const cluster = new FollowedCluster(await openClusterSource(routing, nats));
  try {
    const updatedKeys = (): Promise<KeyStream> => KeyStream.open(routing, nats);
    const following = { onPlan: cluster.uses, onClosed: () => cluster.close(), updatedKeys };
    return await open(cluster, { ...checked, ...following });
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

type Checked = Omit<OpenRankerOptions, 'routing' | 'nats'>;

/** @throws INVALID_OPTION for options that do not fit together */
function checkOptions({ transport, adaptiveCache, cache, engines = 0 }: Checked): void {
  const size = typeof cache === 'object' ? cache.size : cache;
  if (adaptiveCache !== undefined && size !== undefined) {
    const message = 'give either a size of the cache, or adaptiveCache';
    throw new FlexemrError('INVALID_OPTION', message, { field: 'adaptiveCache', value: adaptiveCache });
  }
  if (engines === 0) return;
  if (adaptiveCache !== undefined) throw notWithEngines('adaptiveCache', 'give a size of the cache');
  if (transport !== undefined && typeof transport !== 'string')
    throw notWithEngines('transport', 'give the name of a transport');
}

/** What a ranker tells its source of routing. */
interface Following {
  readonly onPlan?: (plan: string) => void;
  readonly onClosed?: () => Promise<void>;
  /** Not with engines. */
  readonly updatedKeys?: () => Promise<UpdatedKeys>;
}

async function open(routing: RoutingSource, options: Checked & Following): Promise<Ranker> {
  const { transport = 'stream', security = {}, rdma, adaptiveCache, engines = 0, ...given } = options;
  const { updatedKeys, ...how } = given;
  if (engines > 0 && typeof transport === 'string')
    return await openEngines({ routing, engines, ...how }, { name: transport, security, device: rdma });
  const tracer = await loadTracer();
  const module = kernelModule('ranker');
  return await InlineRanker.open({
    routing,
    transport:
      typeof transport === 'string'
        ? await openTransport({ name: transport, security, device: rdma })
        : transport,
    module,
    tracer,
    collect: collectGarbage,
    adaptive: adaptiveCache && adaptiveCacheOf(adaptiveCache, allowedBytes()),
    updatedKeys,
    ...how,
  });
}

function sourceOf(routing: OpenRankerOptions['routing'] | undefined): RoutingSource {
  if (typeof routing === 'string')
    return /^https?:/.test(routing) ? httpRouting(routing) : fileRouting(routing);
  return routingSource(routing);
}

/** All threads use one device, which this thread opens. */
async function openEngines(options: EngineRankerOptions, choice: TransportChoice): Promise<Ranker> {
  if (choice.name !== 'rdma') return await EngineRanker.open(options, engineThreads(choice));
  const device = openDevice(await loadVerbs(), choice.device ?? {});
  const onClosed = async (): Promise<void> => {
    closeDevice(device);
    await options.onClosed?.();
  };
  return await EngineRanker.open(
    // Queue pairs are scarce: a node has memory for few, and a card gets slower with many.
    { ...options, ownConnections: 0, onClosed },
    engineThreads({ ...choice, device: tokensOf(device) }),
  );
}

/** The error of an option that threads cannot share. */
function notWithEngines(field: string, advice: string): FlexemrError {
  return new FlexemrError('INVALID_OPTION', `${field} needs engines: 0; ${advice}`, { field });
}
