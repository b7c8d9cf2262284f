import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collector = (options: { readonly type: 'major'; readonly execution: 'async' }) => Promise<void>;

/** Milliseconds before each attempt. What was in progress may still refer to an object at the first one. */
const attemptsMs = [20, 100, 500, 2_000];

/** Runs the garbage collector once, in a turn of its own. */
export async function collectAll(): Promise<void> {
  collector ??= openCollector();
  await collector({ type: 'major', execution: 'async' });
}

let collector: Collector | undefined;

function openCollector(): Collector {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collector;
}

/**
 * Runs the garbage collector, in turns of its own, until an object is gone that nothing refers to any more. A
 * WebAssembly.Memory stays resident until then, and V8 does not know that it is large enough to hurry.
 */
export async function collectGarbage(object: WeakRef<object>): Promise<void> {
  for (const ms of attemptsMs) {
    await new Promise<void>((done) => void setTimeout(done, ms).unref());
    if (object.deref() === undefined) return;
    await collectAll();
  }
}
