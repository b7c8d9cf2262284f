// The window of a session follows what its node does.
import { sessionWindow } from '../../src/limits.ts';
import type { SimulatedNode } from '../../src/simulation/cluster.ts';
import type { World } from '../../src/simulation/world.ts';

/** One reply of a slow node comes so long after the other. */
const slowReplyMs = 5;
/** Of a lookup that waits for all others. */
const slowDeadlineMs = 20_000;
/** Subrequests until the window to it must be small, and how small. */
const slowSubrequests = 10 * sessionWindow;
const slowWindowMax = sessionWindow / 4;
/** Round trips until a window is open again, whatever has happened to it, and subrequests of each. */
const openingRoundTrips = 24;
const openingSubrequests = 16;

export interface WindowsOptions {
  readonly world: World;
  readonly node: SimulatedNode;
  readonly workers: number;
  /** Asks the node for one row. */
  readonly lookUp: (deadlineMs?: number) => Promise<void>;
  /** Subrequests in flight to it. */
  readonly inFlight: () => number;
}

/** Replies wait for each other at the node, until the window to its worker has shrunk. */
export async function shrinkWindow({ world, node, lookUp, inFlight }: WindowsOptions): Promise<void> {
  const { replyMs } = node.health;
  let freeAt = 0;
  node.health.replyMs = () => {
    freeAt = Math.max(freeAt, world.now) + slowReplyMs;
    return freeAt - world.now;
  };
  let left = slowSubrequests;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await lookUp(slowDeadlineMs);
  };
  const callers = Array.from({ length: sessionWindow }, caller);
  while (left > 0) await world.sleep(slowReplyMs);
  const most = inFlight();
  await Promise.all(callers);
  node.health.replyMs = replyMs;
  if (most > slowWindowMax)
    throw new Error(`${most} subrequests are in flight to ${node.name}, which is slow`);
}

/** The node answers as soon as it can, often enough for its windows to open. */
export async function openWindows({ workers, lookUp }: WindowsOptions): Promise<void> {
  for (let i = 0; i < openingRoundTrips; i++)
    await Promise.all(Array.from({ length: openingSubrequests * workers }, () => lookUp()));
}
