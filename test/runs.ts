// How many cases the tests run: few in every run, many in `npm run soak`.
const soak = process.env.FLEXEMR_SOAK === '1';

export const runs = {
  /** Pooling cases against the reference. */
  poolCases: soak ? 100_000 : 1_500,
  /** Gathering cases against the reference. */
  gatherCases: soak ? 20_000 : 300,
  /** Cases in which an inserted fault must be found. */
  mutantCases: 3_000,
  /** Histories of an index against a Map. */
  indexHistories: soak ? 5_000 : 150,
  /** Rows that are written to their places. */
  scatteredRows: soak ? 20_000 : 300,
  /** Milliseconds in which rows change while they are read. */
  tornRowsMs: soak ? 120_000 : 3_000,
  /** Nodes that follow a log to which anything happens. */
  updatedNodes: soak ? 2_000 : 30,
  /** Snapshots of tables whose rows change. */
  snapshots: soak ? 2_000 : 40,
  /** Batches that are deduplicated. */
  dedupeBatches: soak ? 20_000 : 500,
  /** Batches of row updates, and chains of them. */
  updateBatches: soak ? 20_000 : 200,
  /** Writes of several updaters to NATS. */
  updateRounds: soak ? 100 : 5,
  /** Loads from a server with random faults. */
  httpFaults: soak ? 3_000 : 40,
  /** Mutated safetensors files. */
  mutatedFiles: soak ? 100_000 : 1_000,
  /** Lookups with hostile bags. */
  hostileBags: soak ? 100_000 : 1_000,
  /** Bags in every convention. */
  bagConventions: soak ? 5_000 : 200,
  /** Lookups that fail, one after the other. */
  failedLookups: soak ? 20_000 : 400,
  /** Answers of rows that are updated meanwhile. */
  updatedAnswers: soak ? 50_000 : 400,
  /** Rankers whose nodes take updates. */
  updatedRankers: soak ? 2_000 : 25,
  followed: soak ? 2_000 : 25,
  /** Lookups that are prepared and merged in kernels. */
  askCases: soak ? 100_000 : 500,
  /** Lookups of rankers with a cache, one after the other. */
  cacheHistories: soak ? 2_000 : 12,
  /** Most lookups of one of them. */
  cacheLookups: soak ? 150 : 24,
  /** Rankers with a cache whose routing table changes. */
  cacheRoutings: soak ? 2_000 : 12,
  /** Most lookups and changes of one of them. */
  cacheSteps: soak ? 300 : 60,
  /** Lookups of any bags by engines, and moves of connections while lookups go on. */
  engineBags: soak ? 50_000 : 300,
  engineMoves: soak ? 20_000 : 150,
  /** Clients that change a cluster at the same time, in memory and in NATS, and watches of it. */
  clusterRounds: soak ? 5_000 : 100,
  natsRounds: soak ? 500 : 25,
  clusterWatches: soak ? 20_000 : 200,
  /** Clusters that are simulated. */
  simulatedSeeds: soak ? 20_000 : 100,
  /** Days of load for an adaptive cache. */
  days: soak ? 1_000 : 20,
  /** Requests that a scorer puts together. */
  scoredBatches: soak ? 5_000 : 100,
  /** Networks that are split in two. */
  splitGraphs: soak ? 2_000 : 40,
  /** Dense networks that are compared with plain loops. */
  dlrmNetworks: soak ? 1_000 : 20,
  /** Rankers with memory of any size. */
  workspaces: soak ? 2_000 : 60,
  /** Random tables looked up by several features. */
  lookupCases: soak ? 10_000 : 300,
  /** Random tables looked up by several threads. */
  threadedCases: soak ? 500 : 16,
  /** Traces that go through caches. */
  cacheTraces: soak ? 5_000 : 60,
  /** Indexed tables against a Map. */
  indexedTables: soak ? 5_000 : 100,
  /** Tables added and removed again. */
  removals: soak ? 5_000 : 100,
  /** Histories of allocations in an arena. */
  roomHistories: soak ? 20_000 : 500,
  /** Rows quantised, and checked for finite values. */
  encodedRows: soak ? 20_000 : 400,
  /** Routing tables written and read back. */
  routingTables: soak ? 20_000 : 300,
  /** Plans of a few tables, compared with all arrangements. */
  smallPlans: soak ? 20_000 : 300,
  /** Plans of any tables. */
  plans: soak ? 5_000 : 100,
  /** Requests that are counted to check predictions of a plan. */
  countedRequests: soak ? 200_000 : 10_000,
  /** Frames written and read back. */
  frames: soak ? 50_000 : 500,
  /** Hostile subrequests. */
  hostileSubrequests: soak ? 1_000_000 : 4_000,
  /** Subrequests to a node that records spans. */
  tracedSubrequests: soak ? 20_000 : 300,
  /** Lookups in JSON. */
  jsonLookups: soak ? 10_000 : 300,
  /** Loads of a memory node whose effects on its metrics are known. */
  countedLoads: soak ? 200 : 5,
  /** Subrequests to one memory node, with its rows in one arena and in many. */
  arenaLookups: soak ? 20_000 : 300,
  /** Hostile frames that are sent to a running memory node. */
  hostileFrames: soak ? 100_000 : 2_000,
  /** Frames that change while they are answered. */
  changingFrames: soak ? 10_000 : 150,
  /** Indexed tables with few rows in many shards, whose lookups are checked. */
  indexedShards: soak ? 3_000 : 60,
  /** Plans of a few tables, measured on memory nodes. */
  measuredPlans: soak ? 200 : 3,
  /** With few measured plans, the seed is fixed, so that every run measures the same. */
  measuredSeed: soak ? {} : { seed: 5 },
  /** Engines whose load shifts; hours of steady load. */
  loadShifts: soak ? 5_000 : 200,
  steadyHours: soak ? 100 : 4,
  /** Large and small replies on one connection. */
  replyMixtures: soak ? 2_000 : 20,
  /** Memory nodes that are killed under load, for at least `killMinutes` minutes. */
  nodeKills: 3,
  killMinutes: soak ? 10 : 0,
  /** Workers of memory nodes that are killed under load. */
  workerKills: soak ? 200 : 6,
  /** Starts of a memory node that get a signal. */
  starts: soak ? 300 : 6,
  /** How long nodes are attacked. */
  siegeMs: soak ? 600_000 : 4_000,
  /** Texts that are JSON or nearly JSON. */
  jsonTexts: soak ? 100_000 : 1_000,
  /** Requests to score, written in the forms of the protocol, and outputs in its replies. */
  scoreRequests: soak ? 20_000 : 400,
  /** Changed requests to score. */
  changedScoreRequests: soak ? 100_000 : 800,
  /** Replies with impossible fields. */
  lies: soak ? 20_000 : 100,
  /** Lookups over each transport whose frames change in transit. */
  meddledLookups: soak ? 100_000 : 400,
  /** Lookups over each transport whose frames carry a trace context. */
  tracedLookups: soak ? 500 : 6,
  /** Spans that an SDK gets. */
  spans: soak ? 20_000 : 200,
  /** Concurrent lookups over each transport. */
  lookupsAtOnce: soak ? 2_000 : 60,
  /** Random tables on random nodes. */
  rankerCases: soak ? 10_000 : 150,
  /** Lookups with and without padding keys. */
  paddedLookups: soak ? 5_000 : 100,
  /** Workloads whose bytes are counted. */
  chosenWorkloads: soak ? 5_000 : 100,
  /** Requests to a scoring service that nobody expects. */
  strangeRequests: soak ? 20_000 : 400,
  /** Bytes of the large table that is loaded to measure memory. */
  largeTableBytes: soak ? 2 ** 31 : 2 ** 28,
} as const;
