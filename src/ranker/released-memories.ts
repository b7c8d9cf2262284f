import type { Workspace } from '../lookup/workspace.ts';

/** Memories with caches of earlier sizes, until the garbage collector has found that nothing uses them. */
export class ReleasedMemories {
  #memories: readonly { readonly memory: WeakRef<Workspace>; readonly bytes: number }[] = [];

  add(workspace: Workspace, bytes: number): WeakRef<Workspace> {
    const memory = new WeakRef(workspace);
    this.#memories = [...this.#memories, { memory, bytes }];
    return memory;
  }

  /** Bytes of those that are not collected yet. */
  get bytes(): number {
    this.#memories = this.#memories.filter(({ memory }) => memory.deref() !== undefined);
    return this.#memories.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
