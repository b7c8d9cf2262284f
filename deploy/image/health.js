// @ts-check
// node health.js URL: ends with 0 if the server answers that it is well, and else with 1. Images have no curl.
const url = process.argv[2];
try {
  const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  if (!ok) throw new Error(`HTTP status ${status}`);
} catch (error) {
  const { message, cause } = /** @type {Error} */ (error);
  console.error(`${url}: ${cause instanceof Error ? cause.message : message}`);
  process.exitCode = 1;
}
