import { mix32 } from '../data.ts';
import type { Phase } from './memory-day.ts';

/** Days of five parts, whose loads are between one small request at a time and more than can be served. */
export function randomDays(days: number, seconds: number): Phase[][] {
  let drawn = 1_000;
  const random = (): number => mix32(drawn++) / 2 ** 32;
  return Array.from({ length: days }, () =>
    Array.from({ length: 5 }, () => ({
      seconds: seconds * (0.5 + random()),
      candidates: Math.round(16 * 32 ** random()),
      outstanding: Math.round(64 ** random()),
    })),
  );
}
