const mib = 2 ** 20;

/** What docs/operating.md says a node needs, without its rows. */
export function nodeBytes(workers: number): number {
  return workers * 96 * mib + (90 + 30 * workers) * mib;
}
