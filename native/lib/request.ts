// The layout of work requests, in words of 32 bits.

/**
 * Words of a send request: 0 opcode (sendOpcode) · 1 flags (sendFlags) · 2–3 id u64 · 4 immediate · 5 number of SGEs
 * (0…4) · 6–7 remote address u64 · 8 rkey · 9 reserved · 10–11 compare/add u64 · 12–13 swap u64 · 14–15 reserved · then
 * SGEs of 4 words each: address u64, bytes, lkey. A u64 has its low word first.
 */
export const REQUEST_WORDS = 32;

/** Words of a receive request: 0–1 id u64 · 2 number of SGEs (0…4) · 3 reserved · then SGEs as above. */
export const RECEIVE_WORDS = 20;

/** The maximum number of SGEs of a request. */
export const sgeMax = 4;

export const sendOpcode: {
  readonly write: 0;
  readonly writeImmediate: 1;
  readonly send: 2;
  readonly sendImmediate: 3;
  readonly read: 4;
  readonly compareSwap: 5;
  readonly fetchAdd: 6;
} = { write: 0, writeImmediate: 1, send: 2, sendImmediate: 3, read: 4, compareSwap: 5, fetchAdd: 6 };

/**
 * `fence`: starts after all READs and atomics before it. `signaled`: completes also if it succeeds. `solicited`: wakes
 * the other side even if its queue is armed with `solicitedOnly`. `inline`: posting copies the bytes, so the SGEs need
 * no region, but their memory must exist.
 */
export const sendFlags: {
  readonly fence: 1;
  readonly signaled: 2;
  readonly solicited: 4;
  readonly inline: 8;
} = { fence: 1, signaled: 2, solicited: 4, inline: 8 };
