import type { Hosting } from './hosting.ts';
import { ServedRelease } from './served-release.ts';
import { WorkerArena } from './worker-arena.ts';

/** The arenas of a worker, and the releases of which it serves shards: usually one, and two while a cluster changes. */
export class ServedReleases {
  readonly arenas: WorkerArena[] = [];
  #releases: readonly ServedRelease[] = [];
  /** The arena that frames of the current release need not leave. */
  #home: WorkerArena | undefined;

  /** The release that lookups in JSON are answered from. Undefined until `host`. */
  get current(): ServedRelease | undefined {
    return this.#releases[0];
  }

  get all(): readonly ServedRelease[] {
    return this.#releases;
  }

  get home(): WorkerArena {
    return this.#home as WorkerArena;
  }

  /** The release that a frame was planned for; the current one if there is none, because it says so. @param head of the frame */
  of(arena: WorkerArena, head: number): ServedRelease {
    const [current] = this.#releases;
    if (this.#releases.length === 1 || current.isOf(arena, head)) return current;
    return this.#releases.find((release) => release.isOf(arena, head)) ?? current;
  }

  /**
   * Serves these from now on, the first of them as the current one. @returns once no subrequest uses the rows of others any more
   * @throws RangeError if its slots have no space to describe them now; then nothing has changed
   */
  host(hostings: readonly Hosting[]): Promise<unknown> {
    const known = new Map(this.#releases.map((release) => [release.hosting.plan, release]));
    for (const { module, memories, slots } of hostings)
      for (let i = this.arenas.length; i < memories.length; i++)
        this.arenas.push(new WorkerArena(module, memories[i], slots[i]));
    const releases: ServedRelease[] = [];
    try {
      for (const hosting of hostings)
        releases.push(known.get(hosting.plan) ?? new ServedRelease(hosting, this.arenas));
    } catch (error) {
      for (const made of releases) if (!known.has(made.hosting.plan)) void made.retire();
      throw error;
    }
    const gone = this.#releases.filter((release) => !releases.includes(release));
    this.#releases = releases;
    this.#home = this.arenas[releases[0].home];
    return Promise.all(gone.map((release) => release.retire()));
  }
}
