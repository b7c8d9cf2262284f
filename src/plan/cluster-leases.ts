// What nodes and rankers of a cluster say of themselves, again and again, while they live. Plain data.

/** Who holds a lease. */
export type LeaseKind = 'node' | 'ranker';

/** What a node says of a release: it loads its rows, has them, or could not load them. */
export const releaseStates = ['loading', 'ready', 'failed'] as const;
export type ReleaseState = (typeof releaseStates)[number];

/** What a node says of itself. Releases are named by the fingerprint of their routing table. */
export interface NodeLease {
  readonly node: string;
  readonly url: string;
  readonly ports: readonly number[];
  readonly zone?: string | undefined;
  /** Memory for rows. No total: there is no limit. */
  readonly room: { readonly usedBytes: number; readonly totalBytes?: number | undefined };
  readonly releases: readonly { readonly plan: string; readonly state: ReleaseState }[];
  readonly version: string;
}

/** What a ranker says of itself: the release that its lookups use, and since when. */
export interface RankerLease {
  readonly plan: string;
  readonly since: string;
  readonly version: string;
  readonly host: string;
}

/** A lease that is not gone. */
export type KnownLease<T> = T & {
  readonly id: string;
  /** When it was renewed, by the clock of the server, ms since 1970. */
  readonly renewedAt: number;
};

export interface KnownLeases {
  readonly nodes: readonly KnownLease<NodeLease>[];
  /** One that cannot be read has the plan `unknown`: whoever waits for all rankers waits for it. */
  readonly rankers: readonly KnownLease<RankerLease>[];
}

/** A lease that somebody holds. It is renewed until it is closed. */
export interface HeldLease {
  /** The value has changed: writes it as soon as possible. */
  write(): void;
  close(): Promise<void>;
}

/** The leases of a cluster. */
export interface ClusterLeases {
  /** All that are not gone. @throws UNAVAILABLE, UNAUTHORIZED */
  read(): Promise<KnownLeases>;
  /** @param value what it says now @param onError hears the first error of a row */
  holdNode(value: () => NodeLease, onError: (error: Error) => void): HeldLease;
  /** @param value undefined: there is nothing to say yet */
  holdRanker(value: () => RankerLease | undefined, onError: (error: Error) => void): HeldLease;
}
