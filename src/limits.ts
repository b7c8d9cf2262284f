// Every limit has a name that ends in its unit or bound, and lives here.

/** Columns of a table. */
export const dimMax = 4096;

/** Rows of a table: rows are u32, and the last u32 means "none". */
export const tableRowsMax = 4_294_967_294;

/** Rows of an indexed table: its index lives in one arena. */
export const indexedRowsMax = 180_000_000;

/** Largest key of an indexed table given as a number; beyond it numbers are no longer exact. */
export const numberKeyMax = 9_007_199_254_740_991;

/** Bags in one lookup of one feature. */
export const bagsMax = 16_777_216;

/** Keys in one lookup of one feature. */
export const keysMax = 268_435_456;

/** Tables of one store, and features of one lookup. */
export const tablesMax = 65_536;

/** A WebAssembly page, and the most pages a 32-bit memory has (4 GiB). */
export const wasmPageBytes = 65_536;
export const arenaPagesMax = 65_536;

/** safetensors: the largest header the format allows. */
export const safetensorsHeaderBytesMax = 100_000_000;

/** safetensors: files under one index; each is open while its tensors are read. */
export const safetensorsFilesMax = 1_000;

/** safetensors: names in `__metadata__`; an object of millions of names takes the process with it. */
export const safetensorsMetadataNamesMax = 65_536;

/** Bytes of a file that a thread loads at a time, and the pieces that it reads, converts and checks while they are in its cache. */
export const loadChunkBytesMax = 8_388_608;
export const loadPieceBytesMax = 262_144;

/** What a table is known by: characters of the digest; a tensor up to so many bytes is read whole for it, of a larger one so many blocks. */
export const contentDigestChars = 32;
export const contentWholeBytesMax = 16_777_216;
export const contentBlockBytes = 4_096;
export const contentBlocksMax = 4_096;

/** Worker threads of one process. */
export const threadsMax = 256;

/** Room in each arena for the keys and results of lookups under way, unless a store is opened with other. */
export const slotBytesDefault = 134_217_728;

/** Rows of one arena; larger tables are split, always at the same rows. Leaves room for the slots beside them. */
export const shardBytesMax = 4_026_531_840;

/** Room for slots beside a full shard: what an arena has left. */
export const slotBytesMin = 65_536;
export const slotBytesMax = 268_304_384;

/** Shards up to here come out of the caches fast enough that touching their rows first costs more than it brings. */
export const untouchedBytesMax = 4_194_304;

/** Lookups with fewer keys stay on the calling thread: waking another costs more than it brings. */
export const threadedKeysMin = 8_192;

/** Requests, keys, and bytes of the keys' rows, that are read from a file and looked up together. */
export const batchBagsMax = 4_096;
export const batchKeysMax = 1_048_576;
export const batchBytesMax = 33_554_432;

/** One subrequest and its reply, in bytes; larger lookups go out as several. A node may offer less. */
export const subrequestBytesMax = 16_777_216;
export const replyBytesMax = 67_108_864;

/** Keys, bags of one segment, and segments of one subrequest. */
export const subrequestKeysMax = 2_097_152;
export const segmentBagsMax = 1_048_576;
export const subrequestSegmentsMax = 65_536;

/** Bytes of rows up to which a subrequest is pooled as soon as it has come: about 200 µs. */
export const atOnceBytesMax = 1_048_576;

/** Long work in JavaScript lets others have their turn after so many ms. */
export const sliceMsMax = 1;

/** Bytes of rows that one slice of a larger one goes through: about 50 µs, which short ones may wait. */
export const sliceBytesMax = 262_144;

/** Worker threads of a memory node, and slots of each in each arena. */
export const workersMax = 64;
export const workerSlotBytesDefault = 100_663_296;

/** File descriptors that a memory node takes beside its workers, and with each of them: it listens, and has `connectionsMin`. */
export const nodeDescriptorsMin = 28;
export const workerDescriptorsMin = 12;

/** Whole subrequests that a worker holds, those whose bytes are still to come, and how long one is held before it is answered DEADLINE_EXCEEDED. */
export const workerSubrequestsMax = 1_024;
export const unfinishedSubrequestsMax = 1_024;
export const subrequestMsMax = 30_000;

/** What a refused ranker is told to wait, and the longest that it does wait, whatever it is told. */
export const retryAfterMsDefault = 20;
export const retryAfterMsMax = 1_000;

/** Subrequests that one session may have under way: the fixed window of credits. */
export const sessionWindow = 64;

/** How long a browser need not ask again whether it may ask. */
export const preflightSeconds = 7_200;

/** Ports there are. */
export const portMax = 65_535;

/** Bytes of all JSON bodies of a worker that have come, and are not answered yet. */
export const jsonBodiesBytesMax = 67_108_864;

/** Where others need its place, a request is cut off that has come for so long, and by fewer bytes a second than that. */
export const slowMsMin = 250;
export const slowBytesPerSecondMin = 65_536;

/** Connections of one port of a worker; where a process may not open so many files, as many as it may, but so many at least. */
export const connectionsMax = 4_096;
export const connectionsMin = 2;

/** Between two lines of a node's log about connections that had to go. */
export const pressureLogMsMin = 10_000;

/** How long a memory node waits for a worker thread to listen and to take its tables, and to say what it has done. */
export const workerStartMsMax = 30_000;
export const workerStatsMsMax = 1_000;

/** How long a peer may take over a frame, a request or a reply before it is cut off, and a connection may be idle. */
export const stuckMsMax = 10_000;
export const stuckMsMin = 100;
export const idleMsMax = 65_000;

/** A lookup in JSON: bytes, levels of arrays and objects, features, and bags of all of them. */
export const jsonBytesMax = 8_388_608;
export const jsonDepthMax = 32;
export const jsonFeaturesMax = 32_768;
export const jsonBagsMax = 262_144;
/** Segments of such a lookup that are asked for together, and keys at which they are enough. */
export const jsonSegmentsAtOnce = 256;
export const jsonKeysAtOnce = 32_768;
/** And what comes of it, in bytes of f32: writing it as text holds up everybody else, about 25 ms. */
export const jsonResultBytesMax = 1_048_576;

/** Frames above these sizes go by a connection of their own, so that small ones need not wait behind them. */
export const smallSubrequestBytesMax = 16_384;
export const smallReplyBytesMax = 65_536;

/** What is written of large replies in one turn of the event loop, so that small ones need not wait for them. */
export const replyPieceBytesMax = 262_144;

/** Buffers of a stream: what is sent together, and what one read brings. */
export const sendBufferBytes = 262_144;
export const receiveBufferBytes = 262_144;

/** Entries of an RDMA port's table of addresses. */
export const gidIndexMax = 65_535;

/** Connections of `fetch` to one node, as edge runtimes allow, and of HTTP, with requests pipelined on each. */
export const fetchConnectionsMax = 6;
export const httpConnectionsDefault = 4;
export const httpPipeliningDefault = 16;

/** Until a connection is there, or has failed; until a node has described itself, and in how many bytes. */
export const connectMsMax = 3_000;
export const descriptionBytesMax = 134_217_728;

/**
 * A reply that has begun when its lookup ends may go on for so long. One that is not whole then, and has brought less than so
 * many bytes meanwhile, takes its connection with it: the next lookup gets another.
 */
export const lateReplyMsMax = 250;
export const lateReplyBytesMin = 65_536;

/** A response that is no reply is read so far, so that its connection can be used again, and no further. */
export const refusedBodyBytesMax = 65_536;

/** How long a command that has failed may take to end. */
export const failedMsMax = 2_000;

/** How long a node that is to stop waits for what it holds, and between two starts of a worker that keeps dying. */
export const drainMsMax = 10_000;
export const workerRestartMsMin = 100;

/** How long peers may take to end their side of a connection once a node that stops has ended its own. */
export const lingerMsMax = 2_000;

/** Memory nodes and shards of one routing table, characters of its JSON, and of the id of a node. */
export const nodesMax = 1_024;
export const shardsMax = 1_048_576;
export const routingCharsMax = 268_435_456;
export const nodeIdCharsMax = 1_024;
export const tableNameCharsMax = 1_024;

/** Between two looks at a routing file, and at an address that serves one; how long an answer may take. */
export const routingFilePollMs = 100;
export const routingUrlPollMs = 1_000;
export const routingPollMsMax = 86_400_000;
export const routingFetchMsMax = 10_000;

/** The busiest node may have so many times the mean work before a plan sends more bytes to spread it. */
export const balanceTarget = 1.2;

/** Steps of planning, each a look at one node: about a second. */
export const planStepsMax = 200_000_000;

/** Times in a row that planning leaves the best plan it has found and comes back without a better one. */
export const planPerturbationsMax = 200;

/** Arrangements of a plan, times its nodes, up to which planning looks at all of them. */
export const planExhaustibleMax = 20_000_000;

/** How long a lookup may take unless its caller says otherwise. */
export const deadlineMsMax = 2_147_483_647;
export const deadlineMsDefault = 5_000;

/** Tries of one subrequest, the wait before the second and later ones, and how many tries may be repeats. */
export const attemptsMax = 4;
export const retryMsMin = 5;
export const retryMsMax = 200;
export const retryShareMax = 0.1;
export const retryReserve = 32;

/** Memory that a ranker merges in; lookups that need more are split by their caller. */
export const workspaceBytesMax = 1_073_741_824;
/** And at the edge, where an isolate has 128 MB for everything. */
export const edgeWorkspaceBytes = 67_108_864;

/** A frame is copied into that memory for its checksum in pieces that stay in the caches. */
export const checksumWindowBytes = 65_536;

/** What one component holds, in memory that may grow to twice that: its heap may be in pieces. */
export const componentBytesMax = 1_073_741_824;
/** And at the edge unless told otherwise: memory doubles as it grows, and an isolate has 128 MB. */
export const edgeComponentBytes = 50_331_648;

/** Ids of one index of a component: 738 MB. */
export const componentIndexIdsMax = 33_554_432;

/** Fetching rows is chosen where it brings less than this share of the bytes of pooled vectors: 2 % are not worth it. */
export const fetchShareMax = 0.981;

/** Memory that a transport keeps for replies to come, in bytes. */
export const pooledReplyBytesMax = 134_217_728;
