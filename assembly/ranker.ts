// What a kernel module exports for rankers. It leaves out what only memory nodes need, because bundles should be small.
export { ask, openAsk } from './ask';
export { checksum, checksumAdd, checksumEnd } from './checksum';
export { openGrowth, spreadBuckets } from './grow';
export { mergeReplies, openMerge } from './merge-replies';
export { checkReply, positionOf } from './outcomes';
export { adoptEntries, openSurvey, pickEntries, weighEntries } from './resize';
export { noteUpdates } from './ticks';
