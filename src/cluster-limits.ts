// Limits of clusters whose tables and nodes change. limits.ts has all others.

/** Characters of a cluster's JSON: up to two routing tables. */
export const clusterCharsMax = 536_870_912;

/** Characters of the path or the address of tables. */
export const tablesPathCharsMax = 4_096;

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
