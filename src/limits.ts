// All limits are in this file, and in credit-limits, engine-limits, replica-limits, scoring-limits,
// simulation-limits and table-limits. The name of a limit ends in its unit or bound.

/** Columns of a table. */
export const dimMax = 4096;

/** Rows of a table. Row numbers are u32, and the largest u32 means "none". */
export const tableRowsMax = 4_294_967_294;

/** Rows of an indexed table. Its index must fit into one arena. */
export const indexedRowsMax = 180_000_000;

/** Largest key of an indexed table that can be given as a number. Larger numbers are not exact. */
export const numberKeyMax = 9_007_199_254_740_991;

/** Bags in one lookup of one feature. */
export const bagsMax = 16_777_215;

/** Keys in one lookup of one feature. */
export const keysMax = 268_435_456;

/** Tables of one store, and features of one lookup. */
export const tablesMax = 65_536;

/** Bytes of a WebAssembly page, and the most pages of a 32-bit memory (4 GiB). */
export const wasmPageBytes = 65_536;
export const arenaPagesMax = 65_536;

/** safetensors: the largest header that the format allows. */
export const safetensorsHeaderBytesMax = 100_000_000;

/** safetensors: files of one index. Each is open while its tensors are read. */
export const safetensorsFilesMax = 1_000;

/** safetensors: names in `__metadata__`. An object with millions of names would crash the process. */
export const safetensorsMetadataNamesMax = 65_536;

/**
 * Bytes of a file that a thread loads at a time, and bytes of the pieces that it reads, converts and checks while they
 * are in its cache.
 */
export const loadChunkBytesMax = 8_388_608;
export const loadPieceBytesMax = 262_144;

/** The part of the time for which a thread works that loads beside lookups; and how long it rests at most, after a piece. */
export const besideLookupsShare = 0.25;
export const besideLookupsRestMsMax = 2;

/**
 * The digest of a table: its characters; the bytes up to which a tensor is read whole; the bytes and the number of the
 * blocks that are read of a larger tensor.
 */
export const contentDigestChars = 32;
export const contentWholeBytesMax = 16_777_216;
export const contentBlockBytes = 4_096;
export const contentBlocksMax = 4_096;

/** Worker threads of one process. */
export const threadsMax = 256;

/** Space in each arena for the keys and results of lookups in flight, unless a store is opened with another value. */
export const slotBytesDefault = 134_217_728;

/** Bytes of rows in one arena. Larger tables are split, always at the same rows. The rest of an arena is for slots. */
export const shardBytesMax = 4_026_531_840;

/** Space for slots in one arena. The most is what a full shard leaves. */
export const slotBytesMin = 65_536;
export const slotBytesMax = 268_304_384;

/** Shards up to this size are read from the caches so fast that touching their rows first costs more than it saves. */
export const untouchedBytesMax = 4_194_304;

/** Lookups with fewer keys stay on the calling thread, because waking another thread costs more than it saves. */
export const threadedKeysMin = 8_192;

/** Requests, keys, and bytes of the keys' rows in one batch, which is read from a file and looked up together. */
export const batchBagsMax = 4_096;
export const batchKeysMax = 1_048_576;
export const batchBytesMax = 33_554_432;

/** Bytes of one subrequest and of its reply. Larger lookups are sent as several subrequests. A node may offer less. */
export const subrequestBytesMax = 16_777_216;
export const replyBytesMax = 67_108_864;

/** Keys of one subrequest, bags of one segment, and segments of one subrequest. */
export const subrequestKeysMax = 2_097_152;
export const segmentBagsMax = 1_048_576;
export const subrequestSegmentsMax = 65_536;

/** Bytes of rows up to which a subrequest is pooled as soon as it has arrived. Pooling takes about 200 µs then. */
export const atOnceBytesMax = 1_048_576;

/** Long work in JavaScript yields to other work after this many ms. */
export const sliceMsMax = 1;

/** Bytes of rows that one slice of a larger subrequest reads. Short ones may have to wait for it, about 50 µs. */
export const sliceBytesMax = 262_144;

/** Worker threads of a memory node, and bytes of slots that each worker has in each arena. */
export const workersMax = 64;
export const workerSlotBytesDefault = 100_663_296;

/** File descriptors of a memory node without workers, and of each worker, which listens and has `connectionsMin`. */
export const nodeDescriptorsMin = 28;
export const workerDescriptorsMin = 12;

/**
 * Complete subrequests that a worker holds, subrequests whose bytes are still to come, and how long a subrequest is
 * held before it is answered with DEADLINE_EXCEEDED.
 */
export const workerSubrequestsMax = 1_024;
export const unfinishedSubrequestsMax = 1_024;
export const subrequestMsMax = 30_000;

/** How long a refused ranker is told to wait, and how long it waits at most, whatever it is told. */
export const retryAfterMsDefault = 20;
export const retryAfterMsMax = 1_000;

/** The most subrequests that one session may have in flight. Its window of credits is at most as large. */
export const sessionWindow = 64;

/** How long a browser may cache the answer to a CORS preflight request. */
export const preflightSeconds = 7_200;

/** Largest port number. */
export const portMax = 65_535;

/** Bytes of all JSON bodies that a worker has received and not answered yet. */
export const jsonBodiesBytesMax = 67_108_864;

/** A request that has been arriving for this long, with fewer bytes per second, is cut off if others need its place. */
export const slowMsMin = 250;
export const slowBytesPerSecondMin = 65_536;

/** Connections of one port of a worker: the most, and the fewest if the process may not open enough files. */
export const connectionsMax = 4_096;
export const connectionsMin = 2;

/** Time between two lines in a node's log about connections that it had to close. */
export const pressureLogMsMin = 10_000;

/** How long a node waits for a worker thread: to listen and take its tables, to report; a worker for all metrics. */
export const workerStartMsMax = 30_000;
export const workerStatsMsMax = 1_000;
export const metricsMsMax = 5_000;

/** How long a peer may take for a frame, request or reply before it is cut off; how long a connection may be idle. */
export const stuckMsMax = 10_000;
export const stuckMsMin = 100;
export const idleMsMax = 65_000;

/** A lookup in JSON: its bytes, nested levels of arrays and objects, features, and bags of all features. */
export const jsonBytesMax = 8_388_608;
export const jsonDepthMax = 32;
export const jsonFeaturesMax = 32_768;
export const jsonBagsMax = 262_144;
/** Memory for one such lookup. */
export const jsonWorkspaceBytesMax = 268_435_456;
/** Bytes of f32 in its answer. To write them as text takes about 25 ms, and all other work has to wait. */
export const jsonResultBytesMax = 1_048_576;

/** Frames above these sizes use a separate connection, so that small frames do not wait behind them. */
export const smallSubrequestBytesMax = 16_384;
export const smallReplyBytesMax = 65_536;

/** Bytes of large replies that are written in one turn of the event loop, so that small replies need not wait. */
export const replyPieceBytesMax = 262_144;

/** Bytes of replies that a node collects before it sends them. The ranker then merges them beside further pooling. */
export const togetherBytesMax = 65_536;

/** Buffers of a stream: bytes that are sent together, at first and at most, and bytes that one read returns. */
export const sendBufferBytesMin = 16_384;
export const sendBufferBytes = 262_144;
export const receiveBufferBytes = 262_144;

/** Largest index in an RDMA port's table of addresses (GIDs). */
export const gidIndexMax = 65_535;

/** Connections to one node: by `fetch`, as many as edge runtimes allow; by HTTP, and the requests pipelined on each. */
export const fetchConnectionsMax = 6;
export const httpConnectionsDefault = 4;
export const httpPipeliningDefault = 16;

/** How long connecting to a node, or reading its description, may take; and the bytes of a description. */
export const connectMsMax = 3_000;
export const descriptionBytesMax = 134_217_728;

/**
 * A reply that has begun when its lookup ends may continue, so that its connection can be used again. If it is not
 * complete and brings fewer than this many bytes in this time, its connection is closed. The next lookup opens another.
 */
export const lateReplyMsMax = 250;
export const lateReplyBytesMin = 65_536;

/** A response that is not a reply is read up to this many bytes, so that its connection can be used again. */
export const refusedBodyBytesMax = 65_536;

/** How long a command that has failed may take to end. */
export const failedMsMax = 2_000;

/** How long a stopping node waits for its subrequests; the time between two starts of a worker that keeps failing. */
export const drainMsMax = 10_000;
export const workerRestartMsMin = 100;

/** How long peers may take to end their side of a connection after a stopping node has ended its own. */
export const lingerMsMax = 2_000;

/** Memory nodes and shards of one routing table; characters of its JSON, of a node's id and of a table's name. */
export const nodesMax = 1_024;
export const shardsMax = 1_048_576;
export const routingCharsMax = 268_435_456;
export const nodeIdCharsMax = 1_024;
export const tableNameCharsMax = 1_024;

/** Time between two reads of a routing file, and of an address that serves one; how long an answer may take. */
export const routingFilePollMs = 100;
export const routingUrlPollMs = 1_000;
export const routingPollMsMax = 86_400_000;
export const routingFetchMsMax = 10_000;

/** The busiest node may have this many times the mean work. Above it, a plan sends more bytes to spread the work. */
export const balanceTarget = 1.2;

/** Steps of planning. Each step examines one node. All steps take about a second. */
export const planStepsMax = 200_000_000;

/** Planning ends after it has perturbed its best plan this many times in a row without finding a better one. */
export const planPerturbationsMax = 200;

/** Planning examines all arrangements if their number, times the number of nodes, is at most this. */
export const planExhaustibleMax = 20_000_000;

/** How long a lookup may take: the most that its caller may set, and the default. */
export const deadlineMsMax = 2_147_483_647;
export const deadlineMsDefault = 5_000;

/**
 * Attempts of one subrequest; the least and the longest wait before a retry; the share of a retry that each first
 * attempt allows; and the most retries that are saved up.
 */
export const attemptsMax = 4;
export const retryMsMin = 5;
export const retryMsMax = 200;
export const retryShareMax = 0.1;
export const retryReserve = 32;

/** Memory that a lookup of a ranker may use. Lookups that need more must be split by their caller. */
export const workspaceBytesMax = 1_073_741_824;
/** A ranker's cache: its least and its most bytes. With the memory of lookups it is in one WebAssembly.Memory. */
export const cacheBytesMin = 65_536;
export const cacheBytesMax = 4_026_531_840;
/** The share of its entries that may be pinned. The others are for all tables. */
export const cachePinnedShareMax = 0.5;
/** Adaptive caches: seconds in which the largest batch counts, and bytes that a candidate of a batch may take. */
export const cacheWindowSecondsDefault = 60;
export const cacheWindowSecondsMin = 0.1;
export const cacheWindowSecondsMax = 86_400;
export const candidateBytesMax = 1_073_741_824;
/** The share of the memory that the system allows which a process uses, unless it is told. */
export const capacityShare = 0.9;
/** The memory of lookups at the edge, where an isolate has 128 MB for everything. */
export const edgeWorkspaceBytes = 67_108_864;
/** The share of it that a ranker's lookups have in common. A lookup that does not fit there has memory of its own. */
export const workspaceShare = 0.0625;

/** For its checksum, a frame is copied into that memory in pieces of this size, which stay in the caches. */
export const checksumWindowBytes = 65_536;

/** Bytes that one component holds. Its memory may grow to twice that, because its heap may be fragmented. */
export const componentBytesMax = 1_073_741_824;
/** The default at the edge, because memory doubles when it grows and an isolate has 128 MB. */
export const edgeComponentBytes = 50_331_648;

/** Ids of one index of a component: 738 MB. */
export const componentIndexIdsMax = 33_554_432;

/** Bytes of the results of one feature, if several of them are of one bag. */
export const resultBytesMax = 4_294_967_296;

/** Keys that one call of `ask` or `mergeReplies` handles: about 200 µs. */
export const keysAtOnceMax = 16_384;

/** A loop copies up to this number of words faster than `set` does. */
export const loopWordsMax = 32;

/** Bytes that a transport keeps allocated for later replies, and a ranker for later results. */
export const pooledBytesMax = 134_217_728;
/** What was free all this time is given up. */
export const pooledUnusedMs = 5_000;

/** The largest u32. */
export const u32Max = 4_294_967_295;
/** Most keys of a frame that does not leave the process: positions of exceptions have 30 bits. */
export const localFrameKeysMax = 1_073_741_823;
/** Parts of a lookup for each thread that shares it. More parts spread the work better, but each of them costs time. */
export const partsPerThread = 4;
