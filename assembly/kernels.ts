// Everything that a kernel module exports. Kernels take pointers and return a status. They use no statics, no heap and
// no strings.
export { answer } from './answer';
export { ask, openAsk } from './ask';
export { checksum, checksumAdd, checksumEnd } from './checksum';
export { deduplicate } from './deduplicate';
export { encodeRows, rowsFinite } from './encode';
export { openAnswer } from './frame';
export { fetch, gather } from './gather';
export { openGrowth, spreadBuckets } from './grow';
export { shardHashes } from './hash';
export { indexClear, indexEntries, indexFind, indexInsert, indexRemove } from './index';
export { divide, merge } from './merge';
export { mergeReplies, openMerge } from './merge-replies';
export { checkReply, positionOf } from './outcomes';
export { pool } from './pool';
export { adoptEntries, openSurvey, pickEntries, weighEntries } from './resize';
export { approachRows, scatterRows } from './scatter';
export { noteUpdates } from './ticks';
