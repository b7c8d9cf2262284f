/** Addresses of the partials of one segment in a ranker's workspace; 0 if there is no such array. */
export interface Partials {
  readonly partials: number;
  readonly counts: number;
  readonly denominators: number;
}
