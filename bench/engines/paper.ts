// Figures of the paper FlexEMR (arXiv 2410.12794), for its card, about: million lookups per second by the number
// of engines, with a doorbell each and with shared ones.
export const paperEngines = [
  { engines: 1, own: 3, shared: 3 },
  { engines: 2, own: 5.5, shared: 4 },
  { engines: 4, own: 10, shared: 4 },
  { engines: 8, own: 14, shared: 6 },
  { engines: 16, own: 12, shared: 7.5 },
] as const;
