// Limits of clusters whose tables and nodes change. limits.ts has all others.

/** Characters of the path or the address of tables. */
export const tablesPathCharsMax = 4_096;

/** Releases that a node describes: the served one, one that comes or goes, and those that have failed lately. */
export const releasesMax = 16;

/** How long after a failure a node tries again to load a release of its cluster. */
export const releaseRetryMs = 5_000;

/** How often a node tells its workers what to serve, until they can, and how long it waits in between. */
export const releaseHostTries = 100;
export const releaseHostTryMs = 100;

/** Most room for another release, as a share of the bytes of the first one. */
export const headroomMax = 4;

/** How long a writer may have the lock of a file with a cluster, before others take it for dead; and how often they look. */
export const clusterLockMsMax = 10_000;
export const clusterLockTryMs = 20;

/** How often a command asks nodes and rankers whether they follow, and how long it waits for them if it is not told. */
export const rollOutPollMs = 100;
export const rollOutMsMax = 3_600_000;
/** How often it looks meanwhile whether another command has changed the cluster. */
export const rollOutReadMs = 1_000;

/** If no node was asked for a release for so long, no ranker uses it any more: they look at their file often. */
export const rollOutQuietMs = 1_000;

/** Those who ask a ranker what its cluster serves within this time share an answer. */
export const clusterStatusMs = 1_000;

/** Another release may have a few more rows, and each shard of it begins at a cache line: room for that, in headroom. */
export const headroomGrowth = 1.02;
export const headroomShardBytes = 4_096;

/** Versions of a cluster that NATS keeps, for people. */
export const natsHistory = 16;
/** Replicas of a bucket that is created on a cluster of NATS servers. */
export const natsReplicasDefault = 3;
export const natsReplicasMax = 5;
/** A NATS server that does not answer within this time is away. */
export const natsRequestMs = 5_000;
/** A question that is not answered within this time is asked again: nobody answers while servers elect a leader. */
export const natsAttemptMs = 1_000;
/** A connection to NATS on which nothing has come for twice this time is dead. */
export const natsPingMs = 5_000;
/** Waits between two attempts to reach NATS again, half of it by chance. */
export const natsReconnectMs = 2_000;
/** A watch also asks NATS for changes, after a random time in these bounds. */
export const clusterCheckMsMin = 5_000;
export const clusterCheckMsMax = 10_000;
/** Readers of a change read it at different moments of this time. */
export const clusterSpreadMs = 200;
/** A lease that was not renewed for this time is gone. It is renewed every third of it. */
export const leaseMs = 15_000;
/** Bytes of one lease. */
export const leaseBytesMax = 65_536;
/** Characters of the address of a cluster. */
export const clusterAddressCharsMax = 4_096;
/** How often a command writes a small change of a cluster that others change at the same time. */
export const clusterWritesMax = 10;
