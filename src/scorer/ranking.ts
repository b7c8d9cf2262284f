/** The places of the `count` largest values, largest first; NaN is the smallest, and of equal values the first wins. */
export function largest(values: Float32Array, count: number): Uint32Array {
  const places = Uint32Array.from(values.keys());
  const rank = (place: number): number => {
    const value = values[place];
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  };
  // Places are in order before, and sorting is stable.
  places.sort((a, b) => {
    const [one, other] = [rank(a), rank(b)];
    return one === other ? a - b : other > one ? 1 : -1;
  });
  return places.slice(0, count);
}
