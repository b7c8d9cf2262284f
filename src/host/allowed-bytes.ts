import { totalmem } from 'node:os';
import { capacityShare } from '../limits.ts';

/** Memory that this process uses if it is not told: most of what its control group or its machine has. */
export function allowedBytes(): number {
  const group = process.constrainedMemory();
  return capacityShare * Math.min(totalmem(), group > 0 ? group : totalmem());
}
