/** Partials of one segment in a ranker's workspace. Addresses; 0 for none. */
export interface Partials {
  readonly partials: number;
  readonly counts: number;
  readonly denominators: number;
}
