// Both compilers read this file, like ask-layout.ts. Every field is a u32 at the given byte offset.

// The results of `mergeReplies`: a record per feature, then the arrays, in bytes from the start of the results.
/** The number of the frame whose reply has the values and counts, or NONE if they are among the results. */
export const RESULT_FRAME = 0;
/** f32 [bags, dim] and u32 [bags], in bytes from the start of the reply or of the results. */
export const RESULT_VALUES = 4;
export const RESULT_COUNTS = 8;
export const RESULT_BAGS = 12;
/** u32 [results]: the bag of each result; 0: result i is of bag i. */
export const RESULT_INVERSE = 16;
export const RESULT_RESULTS = 20;
/** Positions of padding keys that were not sent, u32, and exceptions, u32: position | OUTCOME_* << 30. */
export const RESULT_PADDED = 24;
export const RESULT_PADDED_COUNT = 28;
export const RESULT_EXCEPTIONS = 32;
export const RESULT_EXCEPTION_COUNT = 36;
export const RESULT_DIM = 40;
export const RESULT_BYTES = 48;
