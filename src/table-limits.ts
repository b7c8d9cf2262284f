// Limits for reading tables, mostly from an HTTP server.

/** Requests at a time, and the bytes that each asks for. */
export const tableRequestsMax = 16;
export const tableRequestBytesMax = 4_194_304;

/** How long connecting may take; how long nothing may come; how long one request may take; how often it is redirected. */
export const tableConnectMsMax = 10_000;
export const tableStuckMsMax = 10_000;
export const tableRequestMsMax = 300_000;
export const tableRedirectsMax = 5;

/**
 * A failed request is repeated from the byte at which it broke. Failures in a row after which a load fails; bytes that
 * a request must have brought so that it is no failure; the least and the longest wait before a request is repeated.
 */
export const tableAttemptsMax = 6;
export const tableResumeBytesMin = 262_144;
export const tableRetryMsMin = 100;
export const tableRetryMsMax = 5_000;

/** Spans of an indexed table that are read at a time. Each has up to `loadChunkBytesMax` bytes. */
export const spansAtOnceMax = 4;
