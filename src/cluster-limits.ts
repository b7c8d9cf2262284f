// Limits of clusters whose tables and nodes change. limits.ts has all others.

/** Characters of a cluster's JSON: up to two routing tables. */
export const clusterCharsMax = 536_870_912;

/** Characters of the path or the address of tables. */
export const tablesPathCharsMax = 4_096;

/** Releases that a node describes: the served one, one that comes or goes, and those that have failed lately. */
export const releasesMax = 16;
