import * as v from 'valibot';
import { integer, numberWhere, type Optional, options, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import {
  cacheBytesMax,
  cacheBytesMin,
  cacheWindowSecondsDefault,
  cacheWindowSecondsMax,
  cacheWindowSecondsMin,
  candidateBytesMax,
} from '../limits.ts';
import { bytesOfText } from './cache-size.ts';

/**
 * A cache whose size follows the batches of the scorer that has the ranker as its source: it gets the memory that the networks
 * do not need.
 */
export interface AdaptiveCacheOptions {
  /** Memory of this process, for everything: bytes, or `4GiB`. Default: nine tenths of what the system allows. */
  readonly capacity?: number | string | undefined;
  /** The least memory of the cache. Default: 64 KiB. */
  readonly floor?: number | string | undefined;
  /** The most memory of the cache. Default: what the capacity allows. Address space of this size is set aside. */
  readonly ceiling?: number | string | undefined;
  /** Seconds in which the largest batch counts; default 60. */
  readonly window?: number | undefined;
  /** Bytes that one more candidate of the largest batch takes. Default: measured when the scorer opens. */
  readonly candidateBytes?: number | undefined;
}

/** The same, in bytes and ms. */
export interface AdaptiveCache {
  readonly capacityBytes: number;
  readonly floorBytes: number;
  readonly ceilingBytes: number;
  readonly windowMs: number;
  readonly candidateBytes: number | undefined;
}

const memory: Schema<number | string> = v.custom<number | string>(
  (size) => bytesOfText(size) !== undefined,
  'bytes, such as 4294967296 or 4GiB',
);
const isWindow = (seconds: number): boolean =>
  seconds >= cacheWindowSecondsMin && seconds <= cacheWindowSecondsMax;

/** @internal */
export const adaptiveCacheOptions: Optional<AdaptiveCacheOptions> = v.optional(
  options({
    capacity: v.optional(memory),
    floor: v.optional(memory),
    ceiling: v.optional(memory),
    window: v.optional(
      numberWhere(isWindow, `seconds, from ${cacheWindowSecondsMin} to ${cacheWindowSecondsMax}`),
    ),
    candidateBytes: v.optional(integer(1, candidateBytesMax)),
  }),
);

/** @param allowedBytes memory that the system allows for this process @throws INVALID_OPTION if the bounds do not fit together */
export function adaptiveCacheOf(options: AdaptiveCacheOptions, allowedBytes: number): AdaptiveCache {
  const { capacity, floor = cacheBytesMin, ceiling, window = cacheWindowSecondsDefault } = options;
  const capacityBytes = bytesOfText(capacity ?? Math.floor(allowedBytes)) ?? 0;
  const floorBytes = bytesOfText(floor) ?? 0;
  const ceilingBytes = bytesOfText(ceiling ?? Math.min(cacheBytesMax, capacityBytes)) ?? 0;
  const isOrdered =
    floorBytes >= cacheBytesMin &&
    floorBytes <= ceilingBytes &&
    ceilingBytes <= cacheBytesMax &&
    ceilingBytes <= capacityBytes;
  if (!isOrdered) {
    const message = `an adaptive cache needs ${cacheBytesMin} <= floor <= ceiling <= capacity, and a ceiling of at most ${cacheBytesMax}; the floor is ${floorBytes}, the ceiling ${ceilingBytes}, the capacity ${capacityBytes}`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'adaptiveCache', value: options });
  }
  const { candidateBytes } = options;
  return { capacityBytes, floorBytes, ceilingBytes, windowMs: window * 1_000, candidateBytes };
}
