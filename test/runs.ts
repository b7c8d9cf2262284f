// How often the tests repeat themselves: a little in every run, a lot in `npm run soak`.
const soak = process.env.FLEXEMR_SOAK === '1';

export const runs = {
  /** Pooling cases against the reference. */
  poolCases: soak ? 100_000 : 1_500,
  /** Gathering cases against the reference. */
  gatherCases: soak ? 20_000 : 300,
  /** Cases in which a planted fault must show. */
  mutantCases: 3_000,
  /** Histories of an index against a Map. */
  indexHistories: soak ? 5_000 : 150,
  /** Batches de-duplicated. */
  dedupeBatches: soak ? 20_000 : 500,
  /** Mutated safetensors files. */
  mutatedFiles: soak ? 100_000 : 1_000,
  /** Lookups with hostile bags. */
  hostileBags: soak ? 100_000 : 1_000,
  /** Bags in every convention. */
  bagConventions: soak ? 5_000 : 200,
  /** Lookups that fail, one after the other. */
  failedLookups: soak ? 20_000 : 400,
  /** Random tables looked up by several features. */
  lookupCases: soak ? 10_000 : 300,
  /** Random tables looked up by several threads. */
  threadedCases: soak ? 500 : 16,
  /** Indexed tables against a Map. */
  indexedTables: soak ? 5_000 : 100,
  /** Tables added and removed again. */
  removals: soak ? 5_000 : 100,
  /** Histories of room in an arena. */
  roomHistories: soak ? 20_000 : 500,
  /** Rows quantised, and checked for finite values. */
  encodedRows: soak ? 20_000 : 400,
  /** Routing tables written and read back. */
  routingTables: soak ? 20_000 : 300,
  /** Plans of a few tables, against all arrangements there are. */
  smallPlans: soak ? 20_000 : 300,
  /** Plans of any tables, looked over. */
  plans: soak ? 5_000 : 100,
  /** Requests counted to check what a plan predicts. */
  countedRequests: soak ? 200_000 : 10_000,
  /** Frames written and read back. */
  frames: soak ? 50_000 : 500,
  /** Subrequests made to be refused. */
  hostileSubrequests: soak ? 1_000_000 : 4_000,
  /** Lookups in JSON. */
  jsonLookups: soak ? 10_000 : 300,
  /** Subrequests to one memory node, with its rows in one arena and in many. */
  arenaLookups: soak ? 20_000 : 300,
  /** Hostile frames sent to a memory node that runs. */
  hostileFrames: soak ? 100_000 : 2_000,
  /** Frames that change while they are answered. */
  changingFrames: soak ? 10_000 : 150,
  /** Plans of a few tables, measured on memory nodes. */
  measuredPlans: soak ? 200 : 3,
  /** So few of them are the same in every run. */
  measuredSeed: soak ? {} : { seed: 5 },
  /** Large and small replies on one connection. */
  replyMixtures: soak ? 2_000 : 20,
  /** Memory nodes killed under load, for at least so many minutes. */
  nodeKills: 3,
  killMinutes: soak ? 10 : 0,
  /** Workers of memory nodes killed under load. */
  workerKills: soak ? 200 : 6,
  /** Starts of a memory node that a signal meets. */
  starts: soak ? 300 : 6,
  /** How long nodes are besieged. */
  siegeMs: soak ? 600_000 : 4_000,
  /** Texts that are JSON, or nearly. */
  jsonTexts: soak ? 100_000 : 1_000,
  /** Replies that say what cannot be. */
  lies: soak ? 20_000 : 100,
  /** Lookups over each transport whose frames change on the way. */
  meddledLookups: soak ? 100_000 : 400,
  /** Lookups under way at once over each transport. */
  lookupsAtOnce: soak ? 2_000 : 60,
  /** Random tables on random nodes. */
  rankerCases: soak ? 10_000 : 150,
  /** Lookups with padding keys, and without. */
  paddedLookups: soak ? 5_000 : 100,
  /** Workloads of which the bytes are counted. */
  chosenWorkloads: soak ? 5_000 : 100,
  /** Rows of the large table that is loaded to measure memory. */
  largeTableBytes: soak ? 2 ** 31 : 2 ** 28,
} as const;
