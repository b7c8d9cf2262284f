// The gate between the workers of a node, which read rows in kernel calls, and the thread that writes rows between these calls.
// A reader takes no lock: it says that it reads, then looks whether somebody wants to write. The writer says that it wants to write,
// then looks who reads. All accesses are sequentially consistent, so at least one of two sees what the other one has said.

/** A cache line for the writer, then one per worker, so that no worker waits for the line of another one. */
const lineWords = 16;

/** 1: rows are being written, or will be as soon as nobody reads them. */
export const wanted = 0;

/** A worker is not inside a kernel call; it is; it waits for the writer. */
export const outside = 0;
export const inside = 1;
export const waiting = 2;

/** The word with the state of a worker. */
export function stateOf(worker: number): number {
  return (worker + 1) * lineWords;
}

/** The word that counts answers of a worker that have read rows, and will read more of them. */
export function keptOf(worker: number): number {
  return stateOf(worker) + 1;
}

/** The word that counts how often that number has become 0. */
export function roundsOf(worker: number): number {
  return stateOf(worker) + 2;
}

/** Memory of the gate of a node. It is plain data: threads get it in a message. */
export type GateMemory = Int32Array<SharedArrayBuffer>;

export function makeGate(workers: number): GateMemory {
  return new Int32Array(new SharedArrayBuffer((workers + 1) * lineWords * 4));
}

export function workersOf(gate: GateMemory): number {
  return gate.length / lineWords - 1;
}

/** A worker has ended, wherever it was. Nobody waits for it any more. */
export function clearWorker(gate: GateMemory, worker: number): void {
  Atomics.store(gate, keptOf(worker), 0);
  Atomics.add(gate, roundsOf(worker), 1);
  Atomics.store(gate, stateOf(worker), outside);
  Atomics.notify(gate, stateOf(worker));
}

/** The thread that writes has ended, wherever it was. Workers go on: a shard that it has written in part says so itself. */
export function clearWriter(gate: GateMemory): void {
  Atomics.store(gate, wanted, 0);
  Atomics.notify(gate, wanted);
}
