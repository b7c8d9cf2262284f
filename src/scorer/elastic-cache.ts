/** All memory of a cache, the part of it that was ever written, and that of earlier ones that is not freed yet. */
export interface CacheBytes {
  readonly bytes: number;
  readonly touchedBytes: number;
  readonly releasedBytes: number;
}

/** A cache whose size can change. */
export interface ElasticCache {
  readonly memory: CacheBytes;
  resize(bytes: number): Promise<void>;
}
