/** The number with the fewest digits that is read back as the same f32. @param value an f32 that is finite */
export function shortFloat(value: number): number {
  // Every decimal of up to six digits is exact in an f32, but a subnormal f32 may need fewer digits.
  for (let digits = Math.abs(value) < 2 ** -126 ? 1 : 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/** An f32 as JSON. NaN and infinities, which JSON does not have, are strings. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0.0' : String(shortFloat(value));
}
