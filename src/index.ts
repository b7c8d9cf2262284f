export { type ErrorCode, FlexemrError } from './errors.ts';
export { openClusterSource } from './host/cluster-source.ts';
export type { ClusterUpdater, UpdateOptions } from './host/cluster-updater.ts';
export { fileRouting, writeRouting } from './host/file-routing.ts';
export { type HttpRoutingOptions, httpRouting } from './host/http-routing.ts';
export { type LocalCluster, type LocalClusterOptions, startLocalCluster } from './host/local-cluster.ts';
export { type LoopbackCluster, loopbackCluster } from './host/loopback-cluster.ts';
export { MemoryNodeHost } from './host/memory-node-host.ts';
export type { MemoryNodeOptions } from './host/memory-node-options.ts';
export type { Ready } from './host/node-process.ts';
export { type OpenRankerOptions, openRanker } from './host/open-ranker.ts';
export { type OpenScorerOptions, openScorer } from './host/open-scorer.ts';
export { type OpenUpdaterOptions, openUpdater } from './host/open-updater.ts';
export type { ClusterOptions } from './host/plan-cluster.ts';
export { RankHost, type RankHostOptions } from './host/rank-host.ts';
export type { TransportName } from './host/transport-names.ts';
export * as reference from './kernel/checked-reference.ts';
export type { PoolingMode } from './kernel/pooling-mode.ts';
export type {} from './libraries.ts';
export { openTables, type Rows, Tables, type TablesOptions } from './local/tables.ts';
export type { Log } from './log.ts';
export type { LookupUpdates, UpdatedShard } from './lookup/answered-updates.ts';
export type { PushDown } from './lookup/asked.ts';
export type { Lookup, Pooled } from './lookup/pooled.ts';
export type { WorkerStats } from './memory-node/worker-stats.ts';
export type {
  Model,
  ModelFeature,
  ModelInput,
  ModelNetwork,
  ModelOutput,
  ModelSignature,
} from './model/model.ts';
export type { NatsCredentials } from './nats/credentials.ts';
export type { Bags, Counts, KeyedBags, Keys } from './plan/bags.ts';
export type { Cluster, Release } from './plan/cluster.ts';
export type { ClusterSource, ClusterStore, FollowingRanker, ReadCluster } from './plan/cluster-store.ts';
export { type KeyedJagged, keyedJagged } from './plan/keyed-jagged.ts';
export {
  type PlannedTableInput,
  planSharding,
  type ShardingInput,
  type ShardingPlan,
  type Split,
} from './plan/planner.ts';
export {
  type NodePrediction,
  type Prediction,
  predict,
  type TableLoad,
  type TableLoads,
} from './plan/prediction.ts';
export { parseRouting, routingJson } from './plan/routing-json.ts';
export { fixedRouting, type RoutingSource } from './plan/routing-source.ts';
export type { PlannedNode, PlannedShard, PlannedTable, RoutingTable } from './plan/routing-table.ts';
export type { Key, RowDtype, StoredTableSpec, TableMode, TableSpec } from './plan/table-spec.ts';
export type { AdaptiveCacheOptions } from './ranker/adaptive-cache.ts';
export type { CacheOptions } from './ranker/cache-options.ts';
export type { LookupOptions } from './ranker/lookup-options.ts';
export type { NodeStatus } from './ranker/node-client.ts';
export type { Ranker, RankerStats } from './ranker/ranker.ts';
export type { AtLeast, ShardMark } from './ranker/wanted-rows.ts';
export type { VectorOptions, VectorSource } from './scorer/batch-run.ts';
export type { ControllerStats } from './scorer/controller-stats.ts';
export type { ScoreRequest } from './scorer/score-request.ts';
export type { Scores } from './scorer/score-task.ts';
export type { ScoreOptions, Scorer, ScorerStats } from './scorer/scorer.ts';
export type { LoadOptions, LoadProgress } from './store/load.ts';
export { SafetensorsFile } from './store/safetensors.ts';
export { type TensorData, writeSafetensors } from './store/safetensors-writer.ts';
export { suggestTables } from './store/suggested-tables.ts';
export type { TableFile, TableSource } from './store/table-file.ts';
export type { WorkerReport } from './telemetry/worker-report.ts';
export type { ClientSecurity, ServerSecurity } from './transport/security.ts';
export type { Exchange, Outgoing, Session, Traffic, Transport } from './transport/transport.ts';
export type { RowUpdates, TableUpdates } from './updates/row-updates.ts';
export type { UpdateMark } from './updates/updater.ts';
export type { NodeDescription, ServedTable } from './wire/handler.ts';
export type { TraceContext } from './wire/trace.ts';
